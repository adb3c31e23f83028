import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CaptureOptions, defaultCaptureOptions } from './capture-options.ts';
import { CaptureOptionError } from './check-capture-options.ts';
import { computeRules, formatRules } from './compute-rules.ts';

const compute = (options: Partial<CaptureOptions>) => computeRules({ ...defaultCaptureOptions, ...options });

const port = fc.nat(65_535);
const ranges = fc.array(
  fc.oneof(
    fc.tuple(fc.ipV4(), fc.nat(32)).map(([address, length]) => `${address}/${length}`),
    fc.tuple(fc.ipV6(), fc.nat(128)).map(([address, length]) => `${address}/${length}`),
  ),
  { maxLength: 4 },
);
const list = <Value>(value: fc.Arbitrary<Value>) => fc.array(value, { maxLength: 4 });
const anyOptions: fc.Arbitrary<CaptureOptions> = fc
  .record(
    {
      mode: fc.constantFrom('REDIRECT', 'TPROXY'),
      dns: fc.constantFrom('off', 'resolvConf', 'all'),
      nameservers: list(fc.oneof(fc.ipV4(), fc.ipV6())),
      includeInboundPorts: fc.oneof(fc.constant('*' as const), list(port)),
      excludeInboundPorts: list(port),
      includeOutboundPorts: list(port),
      excludeOutboundPorts: list(port),
      includeOutboundIPRanges: fc.oneof(fc.constant('*' as const), ranges),
      excludeOutboundIPRanges: ranges,
      excludeInterfaces: list(fc.constantFrom('eth0', 'eth1', 'net+')),
      statusPort: port,
      proxyUids: list(port),
      proxyGids: list(port),
    },
    { requiredKeys: [] },
  )
  .map((options) => ({ ...defaultCaptureOptions, ...options }) as CaptureOptions);

const kernelChains = new Set(['PREROUTING', 'OUTPUT']);
const kernelTargets = new Set(['RETURN', 'REDIRECT', 'ACCEPT', 'MARK', 'CONNMARK', 'TPROXY', 'CT']);

describe('computeRules', () => {
  it('never mixes the families, whatever is asked', () => {
    fc.assert(
      fc.property(anyOptions, (options) => {
        const { ipv4, ipv6 } = computeRules(options);
        for (const [, range] of ipv4.matchAll(/-[sd] (\S+)/g)) expect(range).not.toContain(':');
        for (const [, range] of ipv6.matchAll(/-[sd] (\S+)/g)) expect(range).toMatch(/:|NAMESERVER/);
      }),
    );
  });

  it('declares every chain that it uses in the same table, and no other', () => {
    fc.assert(
      fc.property(anyOptions, (options) => {
        for (const file of Object.values(computeRules(options))) {
          for (const table of file.split(/^\*/m).slice(1)) {
            const used = [...table.matchAll(/-(?:A|j) (\w+)/g)].map(([, name]) => name!);
            const declared = [...table.matchAll(/^:(\w+) - \[0:0\]$/gm)].map(([, name]) => name!);
            expect(new Set(declared).size).toBe(declared.length);
            expect(new Set(declared)).toEqual(
              new Set(used.filter((name) => !kernelChains.has(name) && !kernelTargets.has(name))),
            );
            expect(table.trimEnd()).toMatch(/\nCOMMIT$/);
          }
        }
      }),
    );
  });

  it('captures nothing before everything else is set', () => {
    const { ipv4 } = compute({ mode: 'TPROXY', dns: 'all' });
    expect(ipv4.match(/^\*.*/gm)).toEqual(['*raw', '*mangle', '*nat']);
  });

  it('makes no rule of a bad value', () => {
    expect(() => compute({ excludeInterfaces: ['eth0\n-A OUTPUT -j ACCEPT'] })).toThrow(CaptureOptionError);
    expect(() => compute({ mode: 'NONE', includeOutboundPorts: [65_536] })).toThrow(CaptureOptionError);
  });
});

describe('formatRules', () => {
  it('says which family each file is of, once', () => {
    const comments = formatRules({ ...defaultCaptureOptions, dns: 'resolvConf' })
      .split('\n')
      .filter((line) => line.startsWith('#') && !line.startsWith('# for each nameserver: '));
    expect(comments).toEqual(['# IPv4: iptables-restore', '# IPv6: ip6tables-restore']);
  });
});
