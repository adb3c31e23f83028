import { expect, it } from 'vitest';
import { CertificateValue } from '../runtime/webhook/certificates.ts';
import { TrustValue } from './authority.ts';
import { believedCheck } from './believed-check.ts';
import { mutatingWebhookKind, type WebhookConfiguration } from './ca-bundle.ts';
import { issueCa, issueServing } from './certificate.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const configuration = (...bundles: (string | undefined)[]): WebhookConfiguration => ({
  ...{ apiVersion: 'admissionregistration.k8s.io/v1', kind: 'MutatingWebhookConfiguration' },
  metadata: { name: 'weft' } as WebhookConfiguration['metadata'],
  webhooks: bundles.map((bundle, index) => ({
    name: `hook-${index}`,
    clientConfig: bundle === undefined ? {} : { caBundle: base64(bundle) },
  })),
});

function start() {
  const store = { hasSynced: false, found: undefined as WebhookConfiguration | undefined, get: () => store.found };
  const trust = new TrustValue();
  const certificates = new CertificateValue();
  const authority = { trust, certificates };
  const check = believedCheck({ stores: new Map([[mutatingWebhookKind, store]]), name: 'weft', authority });
  return { store, trust, certificates, check };
}

it('waits for the list, and for each webhook of the configuration', () => {
  const { store, trust, check } = start();
  expect(check).toThrow('mutatingwebhookconfigurations are not listed yet');
  store.hasSynced = true;
  store.found = configuration(undefined, undefined);
  expect(check).toThrow('caBundle to MutatingWebhookConfiguration weft yet: hook-0, hook-1');
  trust.set('ca');
  store.found = configuration('ca', 'older');
  expect(check).toThrow('yet: hook-1');
  store.found = configuration('ca', 'ca');
  expect(check).not.toThrow();
});

it('passes where another replica tells of more or fewer CAs, as long as they vouch for what is shown', async () => {
  const { store, trust, certificates, check } = start();
  const nowMs = Date.now();
  const [ca, other] = [await issueCa({ nowMs, lifetimeMs: 60_000 }), await issueCa({ nowMs, lifetimeMs: 60_000 })];
  certificates.set(await issueServing(ca, { nowMs, lifetimeMs: 60_000, names: ['weft'] }));
  trust.set(`${ca.certificate}${other.certificate}`);
  store.hasSynced = true;
  store.found = configuration(other.certificate);
  expect(check).toThrow('yet: hook-0');
  store.found = configuration('nothing');
  expect(check).toThrow('yet: hook-0');
  store.found = configuration(ca.certificate);
  expect(check).not.toThrow();
});

it('passes for good from then on, and where there are no webhooks', () => {
  const { store, trust, check } = start();
  trust.set('ca');
  store.hasSynced = true;
  expect(check).not.toThrow();
  store.found = configuration(undefined);
  expect(check).not.toThrow();
});
