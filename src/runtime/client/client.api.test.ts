import { beforeEach, expect, it } from 'vitest';
import { Cache } from '../cache/cache.ts';
import { describeApi } from '../testing/describe-api.ts';
import { configMapKind, namespaceKind, widgetCrd } from '../testing/kubernetes-kinds.ts';
import { type Widget, widget, widgetKind } from '../testing/objects.ts';
import {
  type ApiError,
  ignoreNotFound,
  isAlreadyExists,
  isConflict,
  isForbidden,
  isInvalid,
  isNamespaceTerminating,
  isNotFound,
  lacksPermission,
} from './api-error.ts';
import { Client } from './client.ts';
import { RestClient } from './rest-client.ts';

interface SeenWidget extends Widget {
  status?: { seen?: string };
}

const seenKind = { ...widgetKind, objectType: undefined as SeenWidget | undefined };

describeApi(
  'Client',
  (env) => {
    let client: Client;
    let count = 0;
    let name: string;

    beforeEach(async () => {
      client = new Client({ rest: env().rest, cache: new Cache(), fieldManager: 'first' });
      name = `clients/w${++count}`;
      await client.apply(namespaceKind, { metadata: { name: 'clients' } });
    });

    const thrownBy = (call: Promise<unknown>): Promise<ApiError> =>
      call.then(
        () => Promise.reject(new Error('it did not fail')),
        (error) => error,
      );

    it('makes, reads, replaces and deletes an object', async () => {
      const made = await client.create(widgetKind, widget(name, '1'));
      expect(made).toMatchObject({
        apiVersion: 'example.com/v1',
        kind: 'Widget',
        metadata: { generation: 1 },
        spec: { value: '1' },
      });
      expect(isAlreadyExists(await thrownBy(client.create(widgetKind, widget(name))))).toBe(true);

      const changed = await client.update(widgetKind, { ...made, spec: { value: '2' } });
      expect(changed.metadata.generation).toBe(2);
      const conflict = await thrownBy(client.update(widgetKind, { ...made, spec: { value: '3' } }));
      expect([isConflict(conflict), isAlreadyExists(conflict)]).toEqual([true, false]);
      expect(await client.getLive(widgetKind, name)).toEqual(changed);

      await client.delete(widgetKind, name);
      expect(await client.getLive(widgetKind, name)).toBeUndefined();
      expect(isNotFound(await thrownBy(client.delete(widgetKind, name)))).toBe(true);
      expect(await ignoreNotFound(client.delete(widgetKind, name))).toBeUndefined();
    });

    it('does not take a kind that is not served for an object that is not there', async () => {
      const gadgetKind = { ...widgetKind, kind: 'Gadget', plural: 'gadgets' };
      expect(isNotFound(await thrownBy(client.getLive(gadgetKind, name)))).toBe(true);
    });

    it('patches by merging and by steps', async () => {
      await client.create(widgetKind, widget(name, '1', { labels: { a: '1', b: '1' } }));
      const merged = await client.patch(widgetKind, name, {
        type: 'merge',
        value: { metadata: { labels: { a: null, c: '1' } } },
      });
      expect(merged.metadata.labels).toEqual({ b: '1', c: '1' });
      const replace = { op: 'replace', path: '/spec/value', value: '2' } as const;
      const stepped = await client.patch(widgetKind, name, {
        type: 'json',
        operations: [{ op: 'test', path: '/spec/value', value: '1' }, replace],
      });
      expect(stepped.spec.value).toBe('2');
      const test = { op: 'test', path: '/spec/value', value: '1' } as const;
      expect(isInvalid(await thrownBy(client.patch(widgetKind, name, { type: 'json', operations: [test, replace] })))).toBe(true);
    });

    it("applies on the server: another manager's field is a conflict unless it is forced, fields no longer named go", async () => {
      const [namespace, plain] = name.split('/') as [string, string];
      const metadata = { namespace, name: plain };
      await client.apply(widgetKind, { metadata: { ...metadata, labels: { mine: 'yes' } }, spec: { value: 'first' } });
      const conflict = await thrownBy(
        client.apply(widgetKind, { metadata, spec: { value: 'second' } }, { fieldManager: 'second' }),
      );
      expect(isConflict(conflict)).toBe(true);
      expect(conflict.message).toContain('.spec.value');
      const options = { fieldManager: 'second', force: true };
      const forced = await client.apply(widgetKind, { metadata, spec: { value: 'second' } }, options);
      expect(forced).toMatchObject({ metadata: { labels: { mine: 'yes' } }, spec: { value: 'second' } });
      expect((await client.apply(widgetKind, { metadata })).metadata.labels).toBeUndefined();

      const anonymous = new Client({ rest: env().rest, cache: new Cache() });
      await expect(anonymous.apply(widgetKind, { metadata })).rejects.toThrow(/needs a fieldManager/);
    });

    it('writes the status alone, and the rest without the status', async () => {
      const made = await client.create(seenKind, { ...widget(name, '1'), status: { seen: 'by create' } });
      expect(made.status).toBeUndefined();
      const [namespace, plain] = name.split('/') as [string, string];
      const applied = await client.status(seenKind).apply({ metadata: { namespace, name: plain }, status: { seen: 'by apply' } });
      expect(applied).toMatchObject({ status: { seen: 'by apply' }, metadata: { generation: 1 }, spec: { value: '1' } });
      const patched = await client
        .status(seenKind)
        .patch(name, { type: 'merge', value: { status: { seen: 'by patch' }, spec: { value: '9' } } });
      expect(patched).toMatchObject({ status: { seen: 'by patch' }, spec: { value: '1' } });
      const updated = await client.status(seenKind).update({ ...patched, status: { seen: 'by update' } });
      expect(updated.status).toEqual({ seen: 'by update' });
      expect(isConflict(await thrownBy(client.status(seenKind).update(patched)))).toBe(true);
      const kept = await client.update(seenKind, { ...updated, status: { seen: 'by main' } });
      expect(kept.status).toEqual({ seen: 'by update' });
    });

    it('deletes only the object that the preconditions mean', async () => {
      const made = await client.create(widgetKind, widget(name));
      const other = { preconditions: { uid: '00000000-0000-0000-0000-000000000000' } };
      expect(isConflict(await thrownBy(client.delete(widgetKind, name, other)))).toBe(true);
      await client.delete(widgetKind, name, { preconditions: { uid: made.metadata.uid }, propagationPolicy: 'Background' });
      expect(await client.getLive(widgetKind, name)).toBeUndefined();
    });

    it('stores nothing on a dry run', async () => {
      expect(await client.create(widgetKind, widget(name), { dryRun: true })).toMatchObject({ kind: 'Widget' });
      expect(await client.getLive(widgetKind, name)).toBeUndefined();
      await client.create(widgetKind, widget(name));
      await client.delete(widgetKind, name, { dryRun: true });
      expect(await client.getLive(widgetKind, name)).toBeDefined();
    });

    it('lists what is live, in pages, with selectors, each item with its type', async () => {
      for (const value of ['1', '2', '3']) await client.create(configMapKind, configMap(`${name}-${value}`, value));
      const labelSelector = {
        matchLabels: { test: name.slice(8) },
        matchExpressions: [{ key: 'value', operator: 'NotIn' as const, values: ['3'] }],
      };
      const found = await client.listLive(configMapKind, { namespace: 'clients', labelSelector });
      expect(found.map(({ kind, apiVersion, data }) => [kind, apiVersion, data?.value])).toEqual([
        ['ConfigMap', 'v1', '1'],
        ['ConfigMap', 'v1', '2'],
      ]);
      const byField = await client.listLive(configMapKind, { fieldSelector: `metadata.name=${name.slice(8)}-3` });
      expect(byField.map(({ data }) => data?.value)).toEqual(['3']);
    });

    it('names the verb and the resource that are forbidden', async () => {
      const rest = new RestClient({ kubeConfig: await env().createUser('nobody') });
      const weak = new Client({ rest, cache: new Cache(), fieldManager: 'weak' });
      const error = await thrownBy(weak.status(widgetKind).patch(name, { type: 'merge', value: {} }));
      expect([isForbidden(error), lacksPermission(error), isNamespaceTerminating(error)]).toEqual([true, true, false]);
      expect(error.message).toContain(`cannot patch widgets.example.com/status ${name}: 403 Forbidden`);
      expect(error.message).toContain('grant this user the verb "patch" on widgets.example.com/status');
      rest.close();
    });

    it('tells a namespace that is being deleted from a missing permission', async () => {
      await client.apply(namespaceKind, { metadata: { name: 'leaving' } });
      await client.delete(namespaceKind, 'leaving');
      const error = await thrownBy(client.create(configMapKind, configMap('leaving/b', '1')));
      expect([isForbidden(error), isNamespaceTerminating(error), lacksPermission(error)]).toEqual([true, true, false]);
      expect(error.message).toMatch(/because it is being terminated$/);
    });

    it('makes nothing whose namespace does not fit the kind, and says what is missing', async () => {
      const create = client.create(configMapKind, configMap('/a', '1'));
      await expect(create).rejects.toThrow('cannot create ConfigMap "a": this kind lies in a namespace: set metadata.namespace');
    });

    it('does not read a cache that nothing fills', () => {
      expect(() => client.get(widgetKind, name)).toThrow(
        /cannot read widgets.example.com from the cache: nothing fills it with this kind/,
      );
    });
  },
  { crds: [widgetCrd] },
);

const configMap = (key: string, value: string) => {
  const [namespace, name] = key.split('/') as [string, string];
  const labels = { test: name.replace(/-\d+$/, ''), value };
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name, labels }, data: { value } };
};
