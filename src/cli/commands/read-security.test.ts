import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { defaultAuthorityTimes } from '../../authority/authority-times.ts';
import { selfSigned } from '../../runtime/testing/self-signed.ts';
import { readSecurity } from './read-security.ts';
import { addSecurityOptions, type SecurityFlags } from './security-flags.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'read-security-'));
});
afterEach(() => rm(folder, { recursive: true }));

const read = (...args: string[]) => {
  const command = addSecurityOptions(new Command().exitOverride(), () => (text) => text === 'true');
  const warnings: string[] = [];
  const security = readSecurity(command.parse(args, { from: 'user' }).opts<SecurityFlags>(), 'mesh', (text) =>
    warnings.push(text),
  );
  return { security, warnings };
};

it('is complete without any flag', () => {
  const { security } = read();
  expect(security).toMatchObject({
    xdsBind: { host: '::', port: 15_012 },
    webhookBind: { host: '::', port: 9443 },
    tokenAudiences: ['istio-ca'],
    trust: {
      issuer: {
        ...{ type: 'secret', times: defaultAuthorityTimes },
        names: ['weft', 'weft.mesh', 'weft.mesh.svc', 'weft.mesh.svc.cluster.local'],
      },
      webhookConfiguration: 'weft',
      rootConfigMap: { name: 'istio-ca-root-cert', key: 'root-cert.pem' },
    },
  });
});

it('is nothing when it is switched off', () => {
  expect(read('--secure', 'false').security).toBeUndefined();
});

it('takes names, durations and audiences', () => {
  const { security } = read(
    ...['--service', 'weft-canary', '--certificate-name', '10.0.0.1', '--certificate-name', 'weft.example.com'],
    ...[
      '--ca-lifetime',
      '1000h',
      '--certificate-lifetime',
      '24h',
      '--ca-overlap',
      '90m',
      '--token-audience',
      'a',
      '--token-audience',
      'b',
    ],
  );
  expect(security!.tokenAudiences).toEqual(['a', 'b']);
  expect(security!.trust.issuer).toEqual({
    type: 'secret',
    secretName: 'weft-authority',
    times: { caLifetimeMs: 3_600_000_000, certificateLifetimeMs: 86_400_000, caOverlapMs: 5_400_000 },
    names: [
      ...['weft-canary', 'weft-canary.mesh', 'weft-canary.mesh.svc', 'weft-canary.mesh.svc.cluster.local'],
      ...['10.0.0.1', 'weft.example.com'],
    ],
  });
});

it('takes ConfigMap, audience and domain from the injection configuration', async () => {
  const file = join(folder, 'injection.yaml');
  await writeFile(
    file,
    'clusterDomain: example.org\nxds: {caConfigMap: other, caKey: ca.pem, tokenAudience: weft}\nunknown: 1\n',
  );
  const { security } = read('--injection-config', file);
  expect(security).toMatchObject({
    tokenAudiences: ['weft'],
    trust: {
      rootConfigMap: { name: 'other', key: 'ca.pem' },
      issuer: { names: expect.arrayContaining(['weft.mesh.svc.example.org']) },
    },
    injectionFile: { path: file },
  });
  await writeFile(file, 'xds: 7\n');
  expect(() => read('--injection-config', file)).toThrow(`${file}:1:`);
  expect(() => read('--injection-config', join(folder, 'none'))).toThrow('--injection-config');
});

it('has webhooks answer clients of a CA only, if there is one', async () => {
  const file = join(folder, 'ca.crt');
  const { certificate } = selfSigned();
  await writeFile(file, certificate);
  expect(read('--webhook-client-ca', file).security!.webhookClientCa).toBe(certificate);
  expect(read().security).not.toHaveProperty('webhookClientCa');
  await writeFile(file, '');
  expect(() => read('--webhook-client-ca', file)).toThrow(`--webhook-client-ca ${file}: no certificate in PEM`);
  expect(() => read('--webhook-client-ca', join(folder, 'none'))).toThrow('--webhook-client-ca');
});

it('takes certificates from files, all three or none', () => {
  const files = ['--tls-cert', 'c', '--tls-key', 'k', '--tls-ca', 'a'];
  const issuer = { type: 'files', files: { certificate: 'c', key: 'k', ca: 'a' } };
  expect(read(...files).security!.trust.issuer).toEqual({ ...issuer, overlapMs: 86_400_000 });
  expect(read(...files, '--ca-overlap', '0s').security!.trust.issuer).toEqual({ ...issuer, overlapMs: 0 });
  expect(() => read(...files.slice(0, 4))).toThrow('go together');
});

it('refuses times that do not fit', () => {
  expect(() => read('--certificate-lifetime', '10h', '--ca-lifetime', '10h')).toThrow('--certificate-lifetime must be shorter');
  expect(() => read('--certificate-lifetime', '1h', '--ca-lifetime', '30h', '--ca-overlap', '10h')).toThrow(
    '--ca-overlap must be shorter',
  );
  expect(() => read('--ca-overlap', 'soon')).toThrow('--ca-overlap');
});
