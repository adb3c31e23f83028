import { describe, expect, it } from 'vitest';
import { ObjectStore } from '../runtime/cache/object-store.ts';
import { ApiError } from '../runtime/client/api-error.ts';
import { silentLogger } from '../runtime/logger.ts';
import { FakeClock } from '../runtime/testing/fake-clock.ts';
import { TrustValue } from './authority.ts';
import { CaBundle, caBundleFieldManager, mutatingWebhookKind, type WebhookConfiguration } from './ca-bundle.ts';
import { type ConfigMap, configMapKind, RootConfigMap } from './root-config-map.ts';

const context = { signal: new AbortController().signal, logger: silentLogger, reconcileID: '1' };
const base64 = (text: string) => Buffer.from(text).toString('base64');

/** A client that notes what is applied, and refuses if it is told to. */
class Applies {
  readonly applied: { object: unknown; options: unknown }[] = [];
  refusal: Error | undefined;
  apply = async (_: unknown, object: unknown, options: unknown): Promise<never> => {
    if (this.refusal) throw this.refusal;
    this.applied.push({ object, options });
    return undefined as never;
  };
}

const refusal = (status: number, causes: { reason: string }[] = []) =>
  new ApiError({ status, reason: '', message: '', request: { verb: 'patch', resource: 'x' } as never, details: { causes } });

const trusting = (bundle?: string): TrustValue => {
  const trust = new TrustValue();
  if (bundle !== undefined) trust.set(bundle);
  return trust;
};

describe('caBundle', () => {
  const configuration = (resourceVersion: string, ...bundles: (string | undefined)[]): WebhookConfiguration => ({
    ...{ apiVersion: 'admissionregistration.k8s.io/v1', kind: 'MutatingWebhookConfiguration' },
    metadata: { name: 'weft', namespace: '', resourceVersion },
    webhooks: bundles.map((caBundle, index) => ({ name: `w${index}`, clientConfig: { ...(caBundle && { caBundle }) } })),
  });
  const start = (trust: TrustValue) => {
    const store = new ObjectStore<WebhookConfiguration>(mutatingWebhookKind);
    const [client, clock] = [new Applies(), new FakeClock()];
    const reconciler = new CaBundle({ kind: mutatingWebhookKind, store, client: client as never, trust, clock });
    return { store, client, clock, reconcile: () => reconciler.reconcile({ name: 'weft' }, context) };
  };

  it('is applied to every webhook when one of them lacks it, and nothing else with it', async () => {
    const { store, client, reconcile } = start(trusting('CA'));
    store.apply(configuration('1', base64('CA'), undefined));
    expect(await reconcile()).toEqual({});
    const webhooks = ['w0', 'w1'].map((name) => ({ name, clientConfig: { caBundle: base64('CA') } }));
    expect(client.applied).toMatchObject([
      { object: { metadata: { name: 'weft' }, webhooks }, options: { fieldManager: caBundleFieldManager, force: true } },
    ]);
    store.apply(configuration('2', base64('CA'), base64('CA')));
    await reconcile();
    expect(client.applied).toHaveLength(1);
  });

  it('is restored once a second at most', async () => {
    const { store, client, clock, reconcile } = start(trusting('CA'));
    store.apply(configuration('1', undefined));
    await reconcile();
    clock.advance(400);
    store.apply(configuration('2', base64('other')));
    expect(await reconcile()).toEqual({ requeueAfterMs: 600 });
    expect(client.applied).toHaveLength(1);
    clock.advance(600);
    await reconcile();
    expect(client.applied).toHaveLength(2);
  });

  it('is for configurations that are there, once there is a CA', async () => {
    const none = start(trusting('CA'));
    await none.reconcile();
    expect(none.client.applied).toEqual([]);
    const early = start(trusting());
    early.store.apply(configuration('1', undefined));
    await early.reconcile();
    expect(early.client.applied).toEqual([]);
    const gone = start(trusting('CA'));
    gone.store.apply(configuration('1', undefined));
    gone.client.refusal = refusal(404);
    expect(await gone.reconcile()).toEqual({});
    gone.client.refusal = refusal(403);
    await expect(gone.reconcile()).rejects.toBe(gone.client.refusal);
  });
});

describe('the CA of a namespace', () => {
  const configMap = (resourceVersion: string, data: Record<string, string>): ConfigMap => ({
    ...{ apiVersion: 'v1', kind: 'ConfigMap', data },
    metadata: { name: 'root', namespace: 'shop', resourceVersion },
  });
  const start = (trust: TrustValue, needed = true) => {
    const store = new ObjectStore<ConfigMap>(configMapKind);
    const [client, clock] = [new Applies(), new FakeClock()];
    const needsRoot = () => needed;
    const reconciler = new RootConfigMap({
      name: 'root',
      key: 'ca.pem',
      store,
      client: client as never,
      trust,
      needsRoot,
      clock,
    });
    return { store, client, clock, reconcile: () => reconciler.reconcile({ name: 'shop' }, context) };
  };

  it('is made, restored once a second at most, and changed with the bundle', async () => {
    const trust = trusting('CA');
    const { store, client, clock, reconcile } = start(trust);
    await reconcile();
    expect(client.applied).toMatchObject([
      { object: { metadata: { name: 'root', namespace: 'shop' }, data: { 'ca.pem': 'CA' } } },
    ]);
    store.apply(configMap('1', { 'ca.pem': 'CA', more: 'x' }));
    await reconcile();
    expect(client.applied).toHaveLength(1);
    trust.set('CA2');
    expect(await reconcile()).toEqual({ requeueAfterMs: 1000 });
    clock.advance(1000);
    await reconcile();
    expect(client.applied).toHaveLength(2);
  });

  it('is not written where it is not needed, and left where it was', async () => {
    const { store, client, reconcile } = start(trusting('CA'), false);
    store.apply(configMap('1', { 'ca.pem': 'old' }));
    await reconcile();
    expect(client.applied).toEqual([]);
  });

  it('gives up on a namespace that is going', async () => {
    const { client, reconcile } = start(trusting('CA'));
    for (const error of [refusal(404), refusal(403, [{ reason: 'NamespaceTerminating' }])]) {
      client.refusal = error;
      expect(await reconcile()).toEqual({});
    }
    client.refusal = refusal(403);
    await expect(reconcile()).rejects.toBe(client.refusal);
  });
});
