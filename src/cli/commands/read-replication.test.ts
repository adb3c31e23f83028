import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { OperatorFlags } from './operator-flags.ts';
import { readReplication } from './read-replication.ts';

const folder = mkdtempSync(join(tmpdir(), 'weft-flags-'));
afterAll(() => rmSync(folder, { recursive: true }));
const replicaTokenFile = join(folder, 'token');
writeFileSync(replicaTokenFile, 'shared\n');

const tls = { replicaTlsCert: 'tls.crt', replicaTlsKey: 'tls.key', replicaTlsCa: 'ca.crt' };
const read = (flags: Partial<OperatorFlags>, podIp?: string) => {
  const base = { leaderElect: true, replicaBind: { host: '::', port: 15016 }, replicaTokenFile };
  return readReplication({ ...base, ...flags } as OperatorFlags, 'weft-system', podIp);
};

describe('readReplication', () => {
  it('advertises the pod, over TLS with files that belong together', () => {
    expect(read(tls, '10.0.0.7')).toEqual({
      replication: {
        bind: { host: '::', port: 15016 },
        advertised: '10.0.0.7:15016',
        credential: { type: 'shared', token: 'shared' },
        allowPlaintext: false,
        tls: { type: 'files', certificateFile: 'tls.crt', keyFile: 'tls.key', caFile: 'ca.crt' },
      },
    });
    expect(read({ ...tls, replicaTlsServerName: 'weft' }, '::1').replication).toMatchObject({
      advertised: '[::1]:15016',
      tls: { serverName: 'weft' },
    });
  });

  it('is nothing without a port, and where nobody leads', () => {
    expect(readReplication({ leaderElect: true } as OperatorFlags, 'weft-system')).toEqual({});
    expect(read({ ...tls, leaderElect: false })).toEqual({});
  });

  it.each<[string, Partial<OperatorFlags>, RegExp]>([
    [
      'a port without a token',
      { ...tls, replicaTokenFile: undefined as never },
      /needs --replica-identity-token-file or --replica-token-file/,
    ],
    ['two tokens', { ...tls, replicaIdentityTokenFile: 'token' }, /give one of them/],
    ['a port that nobody knows', { ...tls, replicaBind: { host: '::', port: 0 } }, /have to know the port/],
    ['half of TLS', { replicaTlsCert: 'tls.crt', replicaTlsKey: 'tls.key' }, /belong together/],
    ['a name without TLS', { replicaTlsServerName: 'weft' }, /needs --replica-tls-cert/],
    ['a token in the clear', {}, /readable for others: .* or --replica-allow-plaintext/],
  ])('refuses %s', (_, flags, problem) => {
    expect(() => read(flags, '10.0.0.7')).toThrow(problem);
  });

  it('takes the certificate for proxies, and the pod’s own token', () => {
    const flags = { replicaTokenFile: undefined as never, replicaIdentityTokenFile: '/token', secure: true, name: 'weft-next' };
    expect(read(flags, '10.0.0.7').replication).toMatchObject({
      credential: { type: 'pod', file: '/token' },
      tls: { type: 'authority', serverName: 'weft-next.weft-system.svc' },
    });
    expect(read({ ...flags, ...tls }, '10.0.0.7').replication?.tls?.type).toBe('files');
  });

  it('lets a token go in the clear within the machine, and where that was said to be right', () => {
    expect(read({}, '127.0.0.1').replication?.tls).toBeUndefined();
    expect(read({}, '::1').replication?.tls).toBeUndefined();
    expect(read({ replicaAllowPlaintext: true }, '10.0.0.7').replication?.allowPlaintext).toBe(true);
  });
});
