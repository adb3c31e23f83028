import { describe, expect, it } from 'vitest';
import { ObjectStore } from '../runtime/cache/object-store.ts';
import { ApiError } from '../runtime/client/api-error.ts';
import type { DeepReadonly } from '../runtime/object.ts';
import { FakeClock } from '../runtime/testing/fake-clock.ts';
import { type LoggedLine, logInto } from '../runtime/testing/log-lines.ts';
import { readSecret, rotateAnnotation, type Secret, secretKind, writeSecret } from './authority-secret.ts';
import { advance, trustBundle } from './authority-state.ts';
import { defaultAuthorityTimes } from './authority-times.ts';
import { SecretAuthority } from './secret-authority.ts';
import { SecretRotation } from './secret-rotation.ts';

const name = 'weft-system/weft-authority';
const place = { namespace: 'weft-system', name: 'weft-authority' };
const names = ['weft.weft-system.svc'];
const dayMs = 24 * 3_600_000;

const makeState = async (nowMs = Date.UTC(2026, 0, 1)) =>
  (await advance({}, { nowMs, times: defaultAuthorityTimes, names })).state;

describe('the Secret of the authority', () => {
  it('is read as it was written', async () => {
    const nowMs = Date.UTC(2026, 0, 1);
    const announced = await advance(await makeState(), { nowMs, times: defaultAuthorityTimes, names, requested: 'ca' });
    const promoted = await advance(announced.state, { nowMs: nowMs + dayMs, times: defaultAuthorityTimes, names });
    for (const { state } of [announced, promoted])
      expect(readSecret(writeSecret(state, place))).toEqual({ state, problems: [], requested: undefined });
  });

  it('keeps what others wrote on it, and takes the request away', async () => {
    const state = await makeState();
    const present: Secret = {
      ...writeSecret(state, place),
      metadata: {
        ...place,
        resourceVersion: '7',
        uid: 'u',
        labels: { team: 'mesh' },
        annotations: { [rotateAnnotation]: 'ca', note: 'kept' },
      },
      type: 'example.com/own',
    };
    expect(readSecret(present).requested).toBe('ca');
    expect(writeSecret(state, place, present)).toMatchObject({
      metadata: { resourceVersion: '7', labels: { team: 'mesh' }, annotations: { note: 'kept' } },
      type: 'example.com/own',
    });
    expect(writeSecret(state, place, present).metadata.annotations).toEqual({ note: 'kept' });
  });

  it('names a broken part without a word of its content, and keeps the others', async () => {
    const state = await makeState();
    const other = await makeState();
    const secret = writeSecret(state, place);
    const broken = (key: string, text: string): Secret => ({
      ...secret,
      data: { ...secret.data, [key]: Buffer.from(text).toString('base64') },
    });
    const foreign = readSecret(broken('ca.key', other.ca.key));
    expect(foreign.problems).toEqual(['ca.crt, ca.key: the key does not belong to the certificate']);
    expect(foreign.state).toEqual({ serving: state.serving });
    const noise = readSecret(broken('tls.crt', 'noise'));
    expect(noise.problems).toHaveLength(1);
    expect(noise.problems[0]).toMatch(/^tls\.crt, tls\.key: /);
    expect(noise.state).toEqual({ ca: state.ca });
    expect(readSecret(broken('previous-ca.crt', 'noise')).problems[0]).toMatch(/^previous-ca\.crt: /);
    const annotated = readSecret({ ...secret, metadata: { ...secret.metadata, annotations: { [rotateAnnotation]: 'all' } } });
    expect(annotated).toMatchObject({
      requested: undefined,
      problems: [expect.stringContaining('neither "ca" nor "certificate"')],
    });
  });
});

/** An API server of one Secret. */
class OneSecret {
  readonly store = new ObjectStore<Secret>(secretKind);
  readonly writes: string[] = [];
  version = 0;
  /** Whether the watch delivers. */
  isWatched = true;
  present: Secret | undefined;

  create = async (_: unknown, object: DeepReadonly<Secret>): Promise<never> => {
    if (this.present) throw refusal('AlreadyExists');
    return this.put('create', object);
  };

  update = async (_: unknown, object: DeepReadonly<Secret>): Promise<never> => {
    if (object.metadata.resourceVersion !== this.present?.metadata.resourceVersion) throw refusal('Conflict');
    return this.put('update', object);
  };

  put(verb: string, object: DeepReadonly<Secret>): never {
    this.writes.push(verb);
    this.present = {
      ...(object as Secret),
      metadata: { ...(object as Secret).metadata, resourceVersion: String(++this.version) },
    };
    if (this.isWatched) this.deliver();
    return undefined as never;
  }

  deliver(): void {
    if (this.present) this.store.apply(this.present);
    else this.store.delete(name);
  }
}

const refusal = (reason: string) =>
  new ApiError({ status: 409, reason, message: reason, request: { verb: 'update', resource: 'secrets' } as never });

const replicaOf = (api: OneSecret, clock: FakeClock) => {
  const lines: LoggedLine[] = [];
  const logger = logInto(lines);
  const authority = new SecretAuthority({ store: api.store, secret: name, logger });
  const rotation = new SecretRotation({
    ...{ client: api as never, store: api.store, authority, times: defaultAuthorityTimes, names, clock },
  });
  const { signal } = new AbortController();
  const reconcile = () => rotation.reconcile({ name }, { signal, logger, reconcileID: '1' });
  return { authority, reconcile, lines };
};

describe('a replica', () => {
  it('makes the Secret as the leader, follows it, and renews in time', async () => {
    const api = new OneSecret();
    const clock = new FakeClock();
    const { authority, reconcile, lines } = replicaOf(api, clock);
    expect(authority.certificates.current).toBeUndefined();
    const { requeueAfterMs } = await reconcile();
    expect(api.writes).toEqual(['create']);
    expect(requeueAfterMs).toBe(3_600_000);
    const first = authority.certificates.current!;
    expect(authority.trust.current).toBe(trustBundle(authority.state!));
    await reconcile();
    expect(api.writes).toEqual(['create']);

    clock.advance(60 * dayMs - 60_000);
    expect(await reconcile()).toEqual({ requeueAfterMs: 60_000 });
    clock.advance(60_000);
    await reconcile();
    expect(api.writes).toEqual(['create', 'update']);
    expect(authority.certificates.current).not.toEqual(first);
    expect(lines.filter(({ message }) => message === 'Serving a new certificate')).toHaveLength(2);
    const text = JSON.stringify(lines);
    for (const { key } of [authority.state!.ca, authority.state!.serving]) expect(text).not.toContain(key.slice(40, 80));
  });

  it('does no harm beside another leader', async () => {
    const api = new OneSecret();
    const clock = new FakeClock();
    const [one, two] = [replicaOf(api, clock), replicaOf(api, clock)];
    api.isWatched = false;
    await one.reconcile();
    expect(await two.reconcile()).toEqual({ requeueAfterMs: 1000 });
    api.deliver();
    expect(one.authority.state).toEqual(two.authority.state);
    clock.advance(70 * dayMs);
    await one.reconcile();
    expect(await two.reconcile()).toEqual({ requeueAfterMs: 1000 });
    api.deliver();
    await two.reconcile();
    expect(api.writes).toEqual(['create', 'update']);
  });

  it('writes the Secret again, as it was, when it is deleted or spoilt', async () => {
    const api = new OneSecret();
    const { authority, reconcile, lines } = replicaOf(api, new FakeClock());
    await reconcile();
    const { data } = api.present!;
    const before = authority.state;
    api.present = undefined;
    api.deliver();
    expect(authority.state).toBe(before);
    await reconcile();
    expect(api.present).toMatchObject({ data });

    api.put('spoil', { ...api.present!, data: { ...data, 'ca.crt': '', 'tls.key': 'bm9pc2U=' } });
    expect(authority.state).toEqual(before);
    expect(lines.filter(({ level }) => level === 'error').map(({ fields }) => String(fields.problem).split(':')[0])).toEqual([
      'ca.crt, ca.key',
      'tls.crt, tls.key',
    ]);
    await reconcile();
    expect(api.present).toMatchObject({ data });
    expect(api.writes).toEqual(['create', 'create', 'spoil', 'update']);
  });

  it('heeds a request once', async () => {
    const api = new OneSecret();
    const { authority, reconcile } = replicaOf(api, new FakeClock());
    await reconcile();
    const { metadata } = api.present!;
    api.put('annotate', { ...api.present!, metadata: { ...metadata, annotations: { [rotateAnnotation]: 'ca' } } });
    await reconcile();
    expect(authority.state!.nextCa).toBeDefined();
    expect(api.present!.metadata.annotations).toEqual({});
    await reconcile();
    expect(api.writes).toEqual(['create', 'annotate', 'update']);
  });
});
