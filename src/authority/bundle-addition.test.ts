import { beforeAll, expect, it } from 'vitest';
import { ObjectStore } from '../runtime/cache/object-store.ts';
import { ApiError } from '../runtime/client/api-error.ts';
import { silentLogger } from '../runtime/logger.ts';
import { FakeClock } from '../runtime/testing/fake-clock.ts';
import { CertificateValue } from '../runtime/webhook/certificates.ts';
import { TrustValue } from './authority.ts';
import { type Secret, secretKind } from './authority-secret.ts';
import { BundleAddition } from './bundle-addition.ts';
import { mutatingWebhookKind, type WebhookConfiguration } from './ca-bundle.ts';
import { issueCa, issueServing, type KeyedCertificate } from './certificate.ts';
import { MissingSecret } from './missing-secret.ts';
import { writeFormer } from './told-bundle.ts';

const context = { signal: new AbortController().signal, logger: silentLogger, reconcileID: '1' };
const base64 = (text: string) => Buffer.from(text).toString('base64');
let own: KeyedCertificate;
let leaders: KeyedCertificate;
let serving: KeyedCertificate;
beforeAll(async () => {
  const times = { nowMs: Date.now(), lifetimeMs: 60_000 };
  [own, leaders] = [await issueCa(times), await issueCa(times)];
  serving = await issueServing(own, { ...times, names: ['weft'] });
});

function start(ownBundle = own.certificate) {
  const store = new ObjectStore<WebhookConfiguration>(mutatingWebhookKind);
  const certificates = new CertificateValue();
  certificates.set(serving);
  const trust = new TrustValue();
  trust.set(ownBundle);
  const clock = new FakeClock();
  const applied: unknown[] = [];
  const state: { refusal?: Error } = {};
  const apply = async (_: unknown, object: unknown): Promise<never> => {
    if (state.refusal) throw state.refusal;
    applied.push(object);
    return undefined as never;
  };
  const options = { kind: mutatingWebhookKind, store, client: { apply }, authority: { certificates, trust }, clock };
  const reconciler = new BundleAddition(options);
  const publish = (resourceVersion: string, ...bundles: (string | undefined)[]) =>
    store.apply({
      ...{ apiVersion: 'admissionregistration.k8s.io/v1', kind: 'MutatingWebhookConfiguration' },
      metadata: { name: 'weft', namespace: '', resourceVersion },
      webhooks: bundles.map((bundle, index) => ({
        name: `w${index}`,
        clientConfig: bundle === undefined ? {} : { caBundle: base64(bundle) },
      })),
    });
  return { publish, clock, applied, state, reconcile: () => reconciler.reconcile({ name: 'weft' }, context) };
}

it('adds the own CA where a leader has not within three seconds, and takes nothing away', async () => {
  const { publish, clock, applied, reconcile } = start();
  const told = `${leaders.certificate}${writeFormer(leaders.certificate, 1)}`;
  publish('7', told, undefined);
  expect(await reconcile()).toEqual({ requeueAfterMs: 3000 });
  clock.advance(2000);
  expect(await reconcile()).toEqual({ requeueAfterMs: 1000 });
  expect(applied).toEqual([]);
  clock.advance(1000);
  expect(await reconcile()).toEqual({});
  expect(applied).toEqual([
    {
      metadata: { name: 'weft', resourceVersion: '7' },
      webhooks: [
        { name: 'w0', clientConfig: { caBundle: base64(`${told}${own.certificate}`) } },
        { name: 'w1', clientConfig: { caBundle: base64(own.certificate) } },
      ],
    },
  ]);
});

it('leaves alone what vouches for it, also when it does so again before the time is over', async () => {
  const { publish, clock, applied, reconcile } = start();
  publish('1', leaders.certificate);
  await reconcile();
  clock.advance(2999);
  publish('2', `${leaders.certificate}${own.certificate}`);
  expect(await reconcile()).toEqual({});
  publish('3', leaders.certificate);
  expect(await reconcile()).toEqual({ requeueAfterMs: 3000 });
  expect(applied).toEqual([]);
});

it('does not tell of a CA that does not vouch for what is shown', async () => {
  const { publish, reconcile } = start(leaders.certificate);
  publish('1', undefined);
  expect(await reconcile()).toEqual({});
});

it('looks again when the configuration has changed meanwhile', async () => {
  const { publish, clock, state, reconcile } = start();
  publish('1', undefined);
  await reconcile();
  clock.advance(3000);
  const request = { verb: 'patch', resource: 'x' } as never;
  state.refusal = new ApiError({ status: 409, reason: 'Conflict', message: '', request });
  expect(await reconcile()).toEqual({ requeueAfterMs: 1000 });
  state.refusal = new ApiError({ status: 404, reason: 'NotFound', message: '', request });
  expect(await reconcile()).toEqual({});
});

it('makes the Secret of the authority where no leader does within three seconds', async () => {
  const store = new ObjectStore<Secret>(secretKind);
  const clock = new FakeClock();
  let made = 0;
  const rotation = {
    reconcile: async () => {
      made++;
      return {};
    },
  };
  const missing = new MissingSecret({ store, rotation, clock });
  const reconcile = () => missing.reconcile({ name: 'weft-system/weft-authority' }, context);
  expect(await reconcile()).toEqual({ requeueAfterMs: 3000 });
  expect(made).toBe(0);
  clock.advance(3000);
  await reconcile();
  expect(made).toBe(1);
  store.apply({
    ...{ apiVersion: 'v1', kind: 'Secret' },
    metadata: { namespace: 'weft-system', name: 'weft-authority', resourceVersion: '1' },
  });
  expect(await reconcile()).toEqual({});
  expect(made).toBe(1);
});
