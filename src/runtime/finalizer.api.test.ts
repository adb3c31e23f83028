import { expect, it } from 'vitest';
import { Cache } from './cache/cache.ts';
import { isInvalid } from './client/api-error.ts';
import { Client } from './client/client.ts';
import { addFinalizer, containsFinalizer, removeFinalizer } from './finalizer.ts';
import { describeApi } from './testing/describe-api.ts';
import { type ConfigMap, configMapKind } from './testing/kubernetes-kinds.ts';

const [mine, theirs] = ['example.com/mine', 'example.com/theirs'];

describeApi('finalizers on an API server', (env) => {
  const client = () => new Client({ rest: env().rest, cache: new Cache() });
  const create = (name: string, finalizers?: string[]) =>
    client().create(configMapKind, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default', finalizers } });
  const read = async (name: string) => (await client().getLive(configMapKind, `default/${name}`)) as ConfigMap;
  const touch = (name: string) =>
    client().patch(configMapKind, `default/${name}`, { type: 'merge', value: { data: { a: 'b' } } });

  it.each([[undefined], [[theirs]]])('are added to %j and taken away, whatever else changes meanwhile', async (before) => {
    const name = before ? 'with' : 'without';
    const object = await create(name, before);
    await touch(name);
    expect(await addFinalizer(client(), configMapKind, object, mine)).toBe(true);
    const added = await read(name);
    expect(added.metadata.finalizers).toEqual([...(before ?? []), mine]);
    expect(containsFinalizer(added, mine)).toBe(true);
    expect(await addFinalizer(client(), configMapKind, added, mine)).toBe(false);
    await touch(name);
    expect(await removeFinalizer(client(), configMapKind, added, mine)).toBe(true);
    expect((await read(name)).metadata.finalizers).toEqual(before);
    expect(await removeFinalizer(client(), configMapKind, await read(name), mine)).toBe(false);
  });

  it('never take another one’s away', async () => {
    const object = await create('raced');
    await addFinalizer(client(), configMapKind, object, theirs);
    const stale = await addFinalizer(client(), configMapKind, object, mine).catch((error) => error);
    expect(isInvalid(stale)).toBe(true);
    const both = await read('raced');
    await addFinalizer(client(), configMapKind, both, mine);
    const present = await read('raced');
    await removeFinalizer(client(), configMapKind, present, theirs);
    expect(isInvalid(await removeFinalizer(client(), configMapKind, present, mine).catch((error) => error))).toBe(true);
    expect((await read('raced')).metadata.finalizers).toEqual([mine]);
  });

  it('let a deleted object go, and are not asked of one that is going or gone', async () => {
    const object = await create('going', [mine]);
    await client().delete(configMapKind, 'default/going');
    const going = await read('going');
    expect(going.metadata.deletionTimestamp).toBeDefined();
    expect(await addFinalizer(client(), configMapKind, going, theirs)).toBe(false);
    expect(await removeFinalizer(client(), configMapKind, going, mine)).toBe(true);
    expect(await client().getLive(configMapKind, 'default/going')).toBeUndefined();
    expect(await removeFinalizer(client(), configMapKind, going, mine)).toBe(false);
    expect(
      await addFinalizer(client(), configMapKind, { ...object, metadata: { ...object.metadata, finalizers: [] } }, mine),
    ).toBe(false);
    const anew = await create('going', [mine]);
    expect(isInvalid(await removeFinalizer(client(), configMapKind, going, mine).catch((error) => error))).toBe(true);
    expect(await removeFinalizer(client(), configMapKind, anew, mine)).toBe(true);
  });
});
