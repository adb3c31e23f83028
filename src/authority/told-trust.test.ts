import { beforeAll, describe, expect, it } from 'vitest';
import { ObjectStore } from '../runtime/cache/object-store.ts';
import { FakeClock } from '../runtime/testing/fake-clock.ts';
import { TrustValue } from './authority.ts';
import { mutatingWebhookKind, type WebhookConfiguration } from './ca-bundle.ts';
import { issueCa } from './certificate.ts';
import { readTold, writeFormer } from './told-bundle.ts';
import { ToldTrust } from './told-trust.ts';

const hourMs = 3_600_000;
let cas: string[];
beforeAll(async () => {
  const issue = async () => (await issueCa({ nowMs: Date.now(), lifetimeMs: 1000 * hourMs })).certificate;
  cas = [await issue(), await issue(), await issue()];
});

/** A replica with an authority, beside a configuration that others write to. */
async function start(clock: FakeClock, ownBundle: string, published?: string) {
  const store = new ObjectStore<WebhookConfiguration>(mutatingWebhookKind);
  let version = 0;
  const configuration = (bundle: string): WebhookConfiguration => ({
    ...{ apiVersion: 'admissionregistration.k8s.io/v1', kind: 'MutatingWebhookConfiguration' },
    metadata: { name: 'weft', namespace: '', resourceVersion: String(++version) },
    webhooks: [{ name: 'w', clientConfig: { caBundle: Buffer.from(bundle).toString('base64') } }],
  });
  const publish = (bundle: string) => store.apply(configuration(bundle));
  const own = new TrustValue();
  own.set(ownBundle);
  const trust = new ToldTrust({ own, stores: [store], name: 'weft', overlapMs: hourMs, clock });
  const stop = new AbortController();
  const runs = trust.start(stop.signal);
  expect(trust.current).toBeUndefined();
  store.replace(published === undefined ? [] : [configuration(published)]);
  await clock.advanceAsync(0);
  const end = async () => {
    stop.abort();
    await runs;
    expect(clock.pendingTimers).toBe(0);
  };
  return { own, trust, publish, end, believed: () => readTold(trust.current!).map(({ certificate }) => certificate) };
}

describe('whom clients are told to believe', () => {
  it('is the own authority, and for two overlaps whom others have told of', async () => {
    const clock = new FakeClock();
    const replica = await start(clock, cas[0]!, cas[0]);
    expect(replica.trust.current).toBe(cas[0]);
    replica.publish(`${cas[0]}${cas[1]}`);
    const told = `${cas[0]}${writeFormer(cas[1]!, clock.now() + 2 * hourMs)}`;
    expect(replica.trust.current).toBe(told);
    replica.publish(told);
    await clock.advanceAsync(2 * hourMs - 1);
    expect(replica.trust.current).toBe(told);
    await clock.advanceAsync(1);
    expect(replica.trust.current).toBe(cas[0]);
    await replica.end();
  });

  it('keeps the time over processes, and none that is longer than it can be', async () => {
    const clock = new FakeClock();
    const untilMs = clock.now() + hourMs;
    const told = `${cas[0]}${writeFormer(cas[1]!, untilMs)}${writeFormer(cas[2]!, clock.now() + 1000 * hourMs)}`;
    const replica = await start(clock, cas[0]!, told);
    expect(readTold(replica.trust.current!)).toEqual([
      { certificate: cas[0] },
      { certificate: cas[2], untilMs: clock.now() + 2 * hourMs },
      { certificate: cas[1], untilMs },
    ]);
    await replica.end();
  });

  it('lets go at once of what was the own authority’s', async () => {
    const clock = new FakeClock();
    const replica = await start(clock, `${cas[0]}${cas[1]}`, `${cas[0]}${cas[1]}`);
    replica.own.set(cas[0]!);
    expect(replica.believed()).toEqual([cas[0]]);
    replica.own.set(`${cas[0]}${cas[2]}`);
    expect(replica.believed()).toEqual([cas[0], cas[2]]);
    await replica.end();
  });

  it('is also who adds again what the own authority has dropped, once that is published no more', async () => {
    const clock = new FakeClock();
    const replica = await start(clock, `${cas[0]}${cas[1]}`, `${cas[0]}${cas[1]}`);
    replica.own.set(cas[0]!);
    replica.publish(`${cas[1]}${cas[0]}`);
    expect(replica.believed()).toEqual([cas[0]]);
    replica.publish(cas[0]!);
    replica.publish(`${cas[0]}${cas[1]}`);
    expect(replica.trust.current).toBe(`${cas[0]}${writeFormer(cas[1]!, clock.now() + 2 * hourMs)}`);
    await clock.advanceAsync(2 * hourMs);
    expect(replica.trust.current).toBe(cas[0]);
    await replica.end();
  });
});

describe('what a bundle tells', () => {
  it('is read as it was written; what is no certificate is passed over', () => {
    const untilMs = Date.UTC(2026, 0, 2);
    const bundle = `words\n${cas[0]}${writeFormer(cas[1]!, untilMs)}${writeFormer('-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n', 1)}`;
    expect(readTold(bundle)).toEqual([{ certificate: cas[0] }, { certificate: cas[1], untilMs }]);
  });

  it('has the earliest of its times', () => {
    expect(readTold(writeFormer(cas[0]!, 2000), cas[0]!, writeFormer(cas[0]!, 1000))).toEqual([
      { certificate: cas[0], untilMs: 1000 },
    ]);
    expect(readTold(cas[0]!.replace('-----BEGIN', '# A former CA, believed until soon\n-----BEGIN'))).toEqual([
      { certificate: cas[0] },
    ]);
  });
});
