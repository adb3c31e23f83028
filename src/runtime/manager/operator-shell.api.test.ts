import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ResourceEvent, ResourceMeta } from '@dot-i/k8s-operator';
import { KubeConfig } from '@kubernetes/client-node';
import { expect, it } from 'vitest';
import { stringify } from 'yaml';
import { isConflict } from '../client/api-error.ts';
import { silentLogger } from '../logger.ts';
import { describeApi } from '../testing/describe-api.ts';
import { widgetCrd } from '../testing/kubernetes-kinds.ts';
import { type Widget, widget, widgetKind } from '../testing/objects.ts';
import { selfSigned } from '../testing/self-signed.ts';
import { Manager } from './manager.ts';

/** What the Operator offers to classes that extend it, for a test to call. */
class Example extends Manager {
  register(file: string) {
    return this.registerCustomResourceDefinition(file);
  }
  uri(...args: [string, string, string, string?]) {
    return this.getCustomResourceApiUri(...args);
  }
  setStatus(meta: ResourceMeta, status: unknown) {
    return this.setResourceStatus(meta, status);
  }
  patchStatus(meta: ResourceMeta, status: unknown) {
    return this.patchResourceStatus(meta, status);
  }
  finalize(event: ResourceEvent, finalizer: string, action: () => Promise<void>) {
    return this.handleResourceFinalizer(event, finalizer, action);
  }
  watchAll() {
    return this.watchResource('example.com', 'v1', 'widgets');
  }
  readPods() {
    return this.k8sApi.listNamespacedPod({ namespace: 'default' });
  }
  applyAuth(request: { headers?: Record<string, string>; agent?: unknown }) {
    return this.applyGaxiosKubeConfigAuth(request);
  }
  applyAxiosAuth(request: { headers?: Record<string, string>; httpsAgent?: unknown }) {
    return this.applyAxiosKubeConfigAuth(request);
  }
}

const metaOf = ({ metadata, apiVersion, kind }: Widget): ResourceMeta => ({
  id: 'widgets.example.com/v1',
  name: metadata.name,
  namespace: metadata.namespace,
  resourceVersion: metadata.resourceVersion!,
  apiVersion,
  kind,
});

const eventOf = (object: Widget) => ({ meta: metaOf(object), type: 'MODIFIED', object }) as unknown as ResourceEvent;

describeApi('what a manager inherits, on an API server', (env) => {
  const create = () =>
    new Example({
      kubeConfig: env().kubeConfig,
      logger: silentLogger,
      processMetrics: false,
      metricsBind: false,
      healthProbeBind: false,
    });

  it('registers a custom resource definition from a file, once or again', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'operator-shell-'));
    const file = join(folder, 'widgets.yaml');
    await writeFile(file, stringify(widgetCrd));
    const example = create();
    const registered = { group: 'example.com', plural: 'widgets', versions: [expect.objectContaining({ name: 'v1' })] };
    expect(await example.register(file)).toMatchObject(registered);
    expect(await example.register(file)).toMatchObject(registered);
    await env().installCrds([widgetCrd]);
    await writeFile(file, 'apiVersion: v1\nkind: Pod\n');
    await expect(example.register(file)).rejects.toThrow(
      `${file}: not a CustomResourceDefinition of apiextensions.k8s.io, but v1 Pod`,
    );
    await rm(folder, { recursive: true });
    expect(example.uri('example.com', 'v1', 'widgets', 'ns')).toBe(`${env().url}/apis/example.com/v1/namespaces/ns/widgets`);
    expect(example.uri('', 'v1', 'nodes')).toBe(`${env().url}/api/v1/nodes`);
    expect((await example.readPods()).items).toEqual([]);
    example.rest.close();
  });

  it('writes status, refuses to overwrite a newer one, and takes no offence at an object that is gone', async () => {
    const example = create();
    const { client } = example;
    const object = await client.create(widgetKind, widget('default/status', 'x'));
    const written = await example.setStatus(metaOf(object), { seen: 'once' });
    expect(written).toMatchObject({ name: 'status', id: 'widgets.example.com/v1' });
    const live = async () => (await client.getLive(widgetKind, 'default/status')) as Widget & { status: unknown };
    expect((await live()).status).toEqual({ seen: 'once' });
    const conflict = await example.setStatus(metaOf(object), { seen: 'stale' }).catch((error) => error);
    expect(isConflict(conflict)).toBe(true);
    expect(isConflict(await example.patchStatus(metaOf(object), { seen: 'stale' }).catch((error) => error))).toBe(true);
    expect(await example.patchStatus(written!, { seen: 'twice' })).not.toBeNull();
    expect((await live()).status).toEqual({ seen: 'twice' });
    await client.delete(widgetKind, 'default/status');
    expect(await example.setStatus({ ...written!, resourceVersion: '' }, {})).toBeNull();
    example.rest.close();
  });

  it('runs the library’s way with finalizers', async () => {
    const example = create();
    const { client } = example;
    const object = await client.create(widgetKind, widget('default/final', 'x'));
    const done: string[] = [];
    const act = async () => void done.push('deleted');
    const read = () => client.getLive(widgetKind, 'default/final');
    expect(await example.finalize(eventOf(object), 'example.com/f', act)).toBe(true);
    expect(object.metadata.finalizers, 'the event’s object is left alone').toBeUndefined();
    const added = (await read())!;
    expect(added.metadata.finalizers).toEqual(['example.com/f']);
    expect(await example.finalize(eventOf(added), 'example.com/f', act)).toBe(false);
    const conflict = await example.finalize(eventOf(object), 'example.com/g', act).catch((error) => error);
    expect(isConflict(conflict)).toBe(true);
    await client.delete(widgetKind, 'default/final');
    const going = (await read())!;
    expect(await example.finalize(eventOf(going), 'example.com/f', act)).toBe(true);
    expect(done).toEqual(['deleted']);
    expect(await read()).toBeUndefined();
    expect(await example.finalize(eventOf(going), 'example.com/f', act), 'gone meanwhile').toBe(true);
    example.rest.close();
  });

  it('does not offer the library’s watch', async () => {
    const example = create();
    await expect(example.watchAll()).rejects.toThrow('watchResource(widgets.example.com/v1) is not supported');
    example.rest.close();
  });

  it('signs requests of other HTTP clients as the kubeconfig says', async () => {
    const kubeConfig = new KubeConfig();
    const caData = Buffer.from(selfSigned().certificate).toString('base64');
    kubeConfig.loadFromClusterAndUser(
      { name: 'c', server: env().url, caData, skipTLSVerify: false },
      { name: 'u', token: 'secret' },
    );
    const example = new Example({ kubeConfig, logger: silentLogger, processMetrics: false });
    const gaxios: { headers?: Record<string, string>; agent?: unknown } = {};
    await example.applyAuth(gaxios);
    expect(gaxios).toMatchObject({ headers: { Authorization: 'Bearer secret' }, agent: expect.anything() });
    const axios: { headers?: Record<string, string>; httpsAgent?: unknown } = {};
    await example.applyAxiosAuth(axios);
    expect(axios).toMatchObject({ headers: { Authorization: 'Bearer secret' }, httpsAgent: expect.anything() });
    example.rest.close();
  });
});
