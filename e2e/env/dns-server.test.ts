import { Resolver } from 'node:dns/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ipv6Component } from './components.ts';
import { readQuestion } from './dns-packet.ts';
import { type DnsServer, startDnsServer } from './dns-server.ts';

const ipv6 = (await ipv6Component()).present;

describe.each(ipv6 ? ['127.0.0.1', '[::1]'] : ['127.0.0.1'])('a DNS server on %s', (host) => {
  let server: DnsServer;
  const resolver = new Resolver({ timeout: 200, tries: 1 });

  beforeEach(async () => {
    server = await startDnsServer({ listen: `${host}:0` });
    resolver.setServers([`${host}:${server.port}`]);
  });
  afterEach(() => server.close());

  it('answers the addresses of the family that is asked for, with their time to live', async () => {
    await server.set('Api.Example.com.', { a: ['203.0.113.10', '203.0.113.11'], aaaa: ['2001:db8::10'], ttlSeconds: 7 });
    expect(await resolver.resolve4('api.example.com', { ttl: true })).toEqual([
      { address: '203.0.113.10', ttl: 7 },
      { address: '203.0.113.11', ttl: 7 },
    ]);
    expect(await resolver.resolve6('API.example.com')).toEqual(['2001:db8::10']);
    expect(await server.queries('api.example.com')).toBe(2);
    expect(await server.queries()).toBe(2);
  });

  it('tells a name without that family from a name that is not there', async () => {
    await server.set('four.example.com', { a: ['203.0.113.10'] });
    await expect(resolver.resolve6('four.example.com')).rejects.toMatchObject({ code: 'ENODATA' });
    await expect(resolver.resolve4('other.example.com')).rejects.toMatchObject({ code: 'ENOTFOUND' });
    await server.delete('four.example.com');
    await expect(resolver.resolve4('four.example.com')).rejects.toMatchObject({ code: 'ENOTFOUND' });
  });

  it('fails as it is told', async () => {
    await server.set('a.example.com', { fail: 'SERVFAIL' });
    await server.set('b.example.com', { fail: 'silent' });
    await expect(resolver.resolve4('a.example.com')).rejects.toMatchObject({ code: 'ESERVFAIL' });
    await expect(resolver.resolve4('b.example.com')).rejects.toMatchObject({ code: 'ETIMEOUT' });
  });

  it('answers as many addresses as it takes', async () => {
    const aaaa = Array.from({ length: 32 }, (_, i) => `2001:db8::${(i + 1).toString(16)}`);
    await server.set('many.example.com', { aaaa });
    expect(await resolver.resolve6('many.example.com')).toEqual(aaaa);
    await expect(server.set('more.example.com', { aaaa: [...aaaa, '2001:db8::100'] })).rejects.toThrow('at most 32 addresses');
  });

  it('refuses what is no address of its family', async () => {
    await expect(server.set('x.example.com', { a: ['::1'] })).rejects.toThrow(
      "DNS name x.example.com: '::1' is not an address of its family",
    );
  });
});

describe('readQuestion', () => {
  it('ignores what is no query', () => {
    expect(readQuestion(Buffer.alloc(0))).toBeUndefined();
    expect(readQuestion(Buffer.alloc(40, 0xff))).toBeUndefined();
    const query = Buffer.concat([
      Buffer.from([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
      Buffer.from('\x03abc\x00\x00\x01\x00\x01', 'latin1'),
    ]);
    expect(readQuestion(query)).toMatchObject({ id: 1, name: 'abc', type: 1, recursionDesired: true });
    for (let length = 0; length < query.length; length++) expect(readQuestion(query.subarray(0, length))).toBeUndefined();
  });
});
