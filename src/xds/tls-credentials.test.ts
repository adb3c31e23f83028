import { credentials } from '@grpc/grpc-js';
import { Registry } from 'prom-client';
import { afterEach, expect, it } from 'vitest';
import { issueCa, issueServing } from '../authority/certificate.ts';
import { typeUrls } from '../envoy/resource.ts';
import { systemClock } from '../runtime/clock.ts';
import { silentLogger } from '../runtime/logger.ts';
import { eventually } from '../runtime/testing/eventually.ts';
import { CertificateValue } from '../runtime/webhook/certificates.ts';
import { createXdsServer } from './server.ts';
import { AdsClient } from './testing/ads-client.ts';
import { FakeClasses, fakeReader, fakeResource } from './testing/fake-classes.ts';
import { TlsCredentials } from './tls-credentials.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

it('changes the certificate under open streams, and no new one is refused meanwhile', async () => {
  const classes = new FakeClasses();
  classes.at().put(fakeResource(typeUrls.cluster, 'a', ''));
  const server = createXdsServer({ classes, clock: systemClock, logger: silentLogger, registry: new Registry() });
  const times = { nowMs: Date.now(), lifetimeMs: 3_600_000 };
  const authorities = await Promise.all([0, 1, 2, 3].map(() => issueCa(times)));
  const chain = await Promise.all(authorities.map((ca) => issueServing(ca, { ...times, names: ['localhost'] })));
  const certificates = new CertificateValue(chain[0]);
  const { port } = await server.listen('127.0.0.1', 0, { credentials: new TlsCredentials(certificates) });
  ends.push(() => server.close({ deadlineMs: 1000 }));
  const trusted = authorities.slice(0, 3).map(({ certificate }) => certificate);
  const connect = (name: string) => {
    const client = new AdsClient({
      ...{ address: `localhost:${port}`, variant: 'delta', reader: fakeReader },
      credentials: credentials.createSsl(Buffer.from(trusted.join(''))),
      node: { id: `sidecar~10.0.0.1~${name}.shop~shop.svc.cluster.local` },
    });
    ends.push(() => client.close());
    client.subscribeAll(typeUrls.cluster);
    return client;
  };
  const has = (client: AdsClient, name: string) =>
    eventually(() => expect(client.of(typeUrls.cluster).resources.has(name)).toBe(true));

  const clients: AdsClient[] = [];
  let ended = 0;
  for (const [index, certificate] of chain.slice(0, 3).entries()) {
    certificates.set(certificate);
    // Some shake hands while the next certificate comes.
    for (let each = 0; each < 5; each++) {
      const client = connect(`p${index}-${each}`);
      void client.ended.then(() => ended++);
      clients.push(client);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(clients.map((client) => has(client, 'a')));
  expect(ended).toBe(0);

  certificates.set(chain[3]!);
  const stranger = connect('stranger');
  expect((await stranger.ended).details).toMatch(/certificate|No connection/);
  classes.edit([{ put: fakeResource(typeUrls.cluster, 'b', '') }]);
  await Promise.all(clients.map((client) => has(client, 'b')));
  expect(ended).toBe(0);
});

it('needs a certificate to begin with', () => {
  expect(() => new TlsCredentials(new CertificateValue())).toThrow('no certificate');
});
