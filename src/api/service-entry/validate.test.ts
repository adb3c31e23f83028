import { describe, expect, it } from 'vitest';
import { formatFinding } from '../finding.ts';
import { fullServiceEntry, serviceEntry } from '../testing/objects.ts';
import { validate } from '../validate.ts';
import { serviceEntryKind } from './kind.ts';

const http = [{ number: 80, name: 'http', protocol: 'HTTP' }];
const tcp = [{ number: 3306, name: 'db', protocol: 'TCP' }];
const findings = (spec: unknown, metadata?: object) => validate(serviceEntryKind, serviceEntry(spec, metadata));
const texts = (spec: unknown, metadata?: object) =>
  findings(spec, metadata).map((found) => `${found.severity} ${formatFinding(found)}`);

describe('a ServiceEntry without findings', () => {
  it.each<[string, object, object?]>([
    ['every field', fullServiceEntry],
    ['NONE with a wildcard host', { hosts: ['*.example.com'], ports: http }],
    ['a short name', { hosts: ['legacy'], ports: http, resolution: 'DNS' }],
    ['a name with a trailing dot', { hosts: ['api.example.com.'], ports: http, resolution: 'DNS' }],
    ['no ports', { hosts: ['api.example.com'] }],
    [
      'DNS with names and addresses as endpoints',
      {
        hosts: ['*.example.com'],
        ports: http,
        resolution: 'DNS',
        endpoints: [{ address: 'a.example.com' }, { address: '192.0.2.1' }],
      },
    ],
    [
      'DNS_ROUND_ROBIN with one endpoint',
      { hosts: ['api.example.com'], ports: http, resolution: 'DNS_ROUND_ROBIN', endpoints: [{ address: 'a.example.com' }] },
    ],
    [
      'a Unix socket',
      { hosts: ['api.local'], ports: http, resolution: 'STATIC', endpoints: [{ address: 'unix:///run/a.sock' }] },
    ],
    [
      'an abstract Unix socket',
      { hosts: ['api.local'], ports: http, resolution: 'STATIC', endpoints: [{ address: 'unix://@a' }] },
    ],
    ['a selector', { hosts: ['api.local'], ports: http, resolution: 'STATIC', workloadSelector: { labels: { app: 'api' } } }],
    [
      'several hosts on TLS',
      { hosts: ['a.example.com', 'b.example.com'], ports: [{ number: 443, name: 'tls', protocol: 'tls' }], resolution: 'DNS' },
    ],
    ['TCP by name, with an automatic address', { hosts: ['db.example.com'], ports: tcp, resolution: 'DNS' }],
    ['DYNAMIC_DNS', { hosts: ['*.example.com'], ports: http, resolution: 'DYNAMIC_DNS' }],
    ['exported to nobody', { hosts: ['api.example.com'], exportTo: ['~'] }],
    [
      'the same targetPort twice',
      {
        hosts: ['a.example.com'],
        resolution: 'DNS',
        ports: [
          { number: 80, name: 'a', protocol: 'HTTP', targetPort: 80 },
          { number: 81, name: 'b', protocol: 'HTTP', targetPort: 80 },
        ],
      },
    ],
  ])('%s', (_, spec, metadata) => {
    expect(texts(spec, metadata)).toEqual([]);
  });
});

describe('a rule of ServiceEntry', () => {
  const host = { hosts: ['api.example.com'] };
  const endpoints = (...list: object[]) => ({ ...host, ports: http, resolution: 'STATIC', endpoints: list });
  const dns = (...list: object[]) => ({ ...host, ports: http, resolution: 'DNS', endpoints: list });
  const dynamic = { hosts: ['*.example.com'], ports: http, resolution: 'DYNAMIC_DNS' };

  it.each<[string, object, string | RegExp, object?]>([
    ['hosts are required', { ports: http }, 'error spec.hosts: is required'],
    ['one host at least', { hosts: [] }, 'error spec.hosts: must have at least 1 entry, has 0'],
    ['no bare wildcard', { hosts: ['a.example.com', '*'] }, /^error spec.hosts\[1\]: must not be '\*'/],
    ['hosts are DNS names', { hosts: ['-'] }, /^error spec.hosts\[0\]: "-" is not a domain name/],
    ['no wildcard inside', { hosts: ['a.*.com'] }, /^error spec.hosts\[0\]: .* its part "\*" is not a DNS label/],
    ['no numeric top-level domain', { hosts: ['10.0.0.1'] }, /^error spec.hosts\[0\]: .* last part must not be a number/],
    ['a host of 255 characters at most', { hosts: [`${'a.'.repeat(128)}com`] }, /^error spec.hosts\[0\]: is 259 characters long/],
    ['an empty host', { hosts: [''] }, 'error spec.hosts[0]: must not be empty'],
    ['partial wildcards', { hosts: ['*example.com'] }, /^warning spec.hosts\[0\]: "\*example.com" has a partial wildcard/],
    [
      'hosts listed twice',
      { hosts: ['a.example.com', 'A.example.com'] },
      'warning spec.hosts[1]: "A.example.com" is listed twice',
    ],
    [
      'wildcards cannot be resolved',
      { hosts: ['*.example.com'], resolution: 'DNS' },
      /^error spec.hosts\[0\]: .* resolution DNS cannot look up/,
    ],
    [
      'a selector does not make wildcards resolvable',
      { hosts: ['*.example.com'], resolution: 'DNS', workloadSelector: { labels: { a: 'b' } } },
      /^error spec.hosts\[0\]/,
    ],
    [
      'addresses are IP addresses',
      { ...host, addresses: ['1.2.3'] },
      'error spec.addresses[0]: "1.2.3" is neither an IP address nor a CIDR block',
    ],
    ['CIDR prefix length', { ...host, addresses: ['10.0.0.0/33'] }, /^error spec.addresses\[0\]: .* between 0 and 32/],
    [
      'CIDR prefix length of IPv6',
      { ...host, addresses: ['2001:db8::/129'] },
      /^error spec.addresses\[0\]: .* between 0 and 128/,
    ],
    ['CIDR address', { ...host, addresses: ['fe80::1%eth0/64'] }, /^error spec.addresses\[0\]: .* is not an IP address/],
    [
      'addresses listed twice',
      { ...host, addresses: ['10.0.0.1', '10.0.0.1'] },
      'warning spec.addresses[1]: "10.0.0.1" is listed twice',
    ],
    [
      'CIDR with DNS',
      { ...host, addresses: ['10.0.0.0/8'], resolution: 'DNS' },
      /^error spec.addresses\[0\]: .* which resolution DNS does not allow/,
    ],
    [
      'port range',
      { ...host, ports: [{ number: 65536, name: 'a' }] },
      'error spec.ports[0].number: must be between 1 and 65535, found 65536',
    ],
    [
      'no port 0',
      { ...host, ports: [{ number: 0, name: 'a' }] },
      'error spec.ports[0].number: must be between 1 and 65535, found 0',
    ],
    [
      'targetPort range',
      { ...host, ports: [{ number: 1, name: 'a', targetPort: 0 }] },
      /^error spec.ports\[0\].targetPort: must be between/,
    ],
    ['port names are required', { ...host, ports: [{ number: 1 }] }, 'error spec.ports[0].name: is required'],
    [
      'port names are labels',
      { ...host, addresses: ['10.0.0.1'], ports: [{ number: 1, name: 'a_b' }] },
      /^error spec.ports\[0\].name: "a_b" is not a port name/,
    ],
    [
      'port names are unique',
      {
        ...host,
        addresses: ['10.0.0.1'],
        ports: [
          { number: 1, name: 'a' },
          { number: 2, name: 'a' },
        ],
      },
      'error spec.ports[1].name: "a" is already the name of ports[0]',
    ],
    [
      'port numbers are unique',
      {
        ...host,
        addresses: ['10.0.0.1'],
        ports: [
          { number: 1, name: 'a' },
          { number: 1, name: 'b' },
        ],
      },
      'error spec.ports[1].number: 1 is already the number of ports[0]',
    ],
    [
      'protocols are known',
      { ...host, addresses: ['10.0.0.1'], ports: [{ number: 1, name: 'a', protocol: 'QUIC' }] },
      /^error spec.ports\[0\].protocol: "QUIC" is not a protocol; use one of HTTP, /,
    ],
    [
      'TCP without addresses',
      { ...host, ports: tcp },
      /^warning spec.ports\[0\].protocol: as TCP and with no spec.addresses, port 3306/,
    ],
    [
      'sniffing without addresses',
      { ...host, ports: [{ number: 1, name: 'a' }] },
      /^warning spec.ports\[0\].protocol: without a protocol/,
    ],
    [
      'TCP with automatic addresses turned off',
      { ...host, ports: tcp, resolution: 'DNS' },
      /^warning spec.ports\[0\].protocol: as TCP/,
      { labels: { 'networking.istio.io/enable-autoallocate-ip': 'False' } },
    ],
    [
      'location',
      { ...host, location: 'OUTSIDE' },
      'error spec.location: must be one of MESH_EXTERNAL, MESH_INTERNAL; found "OUTSIDE"',
    ],
    ['resolution', { ...host, resolution: 'dns' }, /^error spec.resolution: must be one of NONE, .*; found "dns"/],
    [
      'selector or endpoints',
      { ...endpoints({ address: '10.0.0.1' }), workloadSelector: { labels: { a: 'b' } } },
      'error spec.workloadSelector: excludes endpoints: set one of the two',
    ],
    [
      'selector without labels',
      { ...host, resolution: 'STATIC', workloadSelector: {} },
      /^warning spec.workloadSelector: has no labels/,
    ],
    [
      'selector with a wildcard',
      { ...host, resolution: 'STATIC', workloadSelector: { labels: { a: 'b*' } } },
      'error spec.workloadSelector.labels.a: a wildcard is not supported in a selector',
    ],
    [
      'selector with an empty key',
      { ...host, resolution: 'STATIC', workloadSelector: { labels: { '': 'b' } } },
      'error spec.workloadSelector.labels[""]: a label key must not be empty',
    ],
    [
      'selector with NONE',
      { ...host, workloadSelector: { labels: { a: 'b' } } },
      /^warning spec.workloadSelector: has no effect while resolution is NONE/,
    ],
    [
      'NONE with endpoints',
      { ...host, endpoints: [{ address: '10.0.0.1' }] },
      /^error spec.endpoints: are not allowed while resolution is NONE/,
    ],
    [
      'STATIC with nothing',
      { ...host, resolution: 'STATIC' },
      /^warning spec.endpoints: are missing, and so is workloadSelector/,
    ],
    [
      'STATIC with a name',
      endpoints({ address: 'a.example.com' }),
      /^error spec.endpoints\[0\].address: "a.example.com" is a host name; resolution STATIC/,
    ],
    [
      'STATIC with neither',
      endpoints({ address: '10.0.0' }),
      /^error spec.endpoints\[0\].address: "10.0.0" is neither an IP address nor/,
    ],
    ['endpoint without address', endpoints({}), 'error spec.endpoints[0].address: is required, unless network is set'],
    [
      'endpoint behind a network',
      endpoints({ network: 'n' }),
      /^warning spec.endpoints\[0\].address: is not set, so the endpoint is only reachable through a gateway of network "n"/,
    ],
    [
      'endpoint ports exist',
      endpoints({ address: '10.0.0.1', ports: { htp: 1 } }),
      'error spec.endpoints[0].ports.htp: the service has no port named "htp"; it has http',
    ],
    [
      'endpoint port names are labels',
      endpoints({ address: '10.0.0.1', ports: { '@': 1 } }),
      /^error spec.endpoints\[0\].ports\["@"\]: "@" is not a port name/,
    ],
    [
      'endpoint port range',
      endpoints({ address: '10.0.0.1', ports: { http: 65536 } }),
      'error spec.endpoints[0].ports.http: must be between 1 and 65535, found 65536',
    ],
    [
      'endpoint label keys',
      endpoints({ address: '10.0.0.1', labels: { 'a b': 'c' } }),
      /^error spec.endpoints\[0\].labels\["a b"\]: "a b" is not a label key/,
    ],
    [
      'endpoint label values',
      endpoints({ address: '10.0.0.1', labels: { a: 'b c' } }),
      /^error spec.endpoints\[0\].labels.a: "b c" is not a label value/,
    ],
    [
      'endpoint locality',
      endpoints({ address: '10.0.0.1', locality: 'eu//a' }),
      /^warning spec.endpoints\[0\].locality: "eu\/\/a" has an empty part/,
    ],
    [
      'endpoint weight',
      endpoints({ address: '10.0.0.1', weight: -1 }),
      'error spec.endpoints[0].weight: must be between 0 and 4294967295, found -1',
    ],
    [
      'sum of weights',
      endpoints({ address: '10.0.0.1', weight: 4294967295 }, { address: '10.0.0.2' }),
      /^error spec.endpoints: have weights that add up to 4294967296/,
    ],
    [
      'relative socket',
      endpoints({ address: 'unix://./a.sock' }),
      /^error spec.endpoints\[0\].address: the socket path "\.\/a.sock" must be absolute/,
    ],
    [
      'socket that is a directory',
      endpoints({ address: 'unix:///run/' }),
      /^error spec.endpoints\[0\].address: the socket path "\/run\/" names a directory/,
    ],
    [
      'socket without a path',
      endpoints({ address: 'unix://' }),
      'error spec.endpoints[0].address: the socket path after unix:// is missing',
    ],
    [
      'socket with ports',
      endpoints({ address: 'unix:///a.sock', ports: { http: 1 } }),
      'error spec.endpoints[0].ports: a Unix domain socket has no ports',
    ],
    [
      'socket and two ports',
      { ...endpoints({ address: 'unix:///a.sock' }), ports: [...http, { number: 81, name: 'b', protocol: 'HTTP' }] },
      /^error spec.endpoints\[0\].address: .* serves exactly one port, the service has 2/,
    ],
    ['DNS with a socket', dns({ address: 'unix:///a.sock' }), /^error spec.endpoints\[0\].address: .* cannot be resolved by DNS/],
    ['DNS with a wildcard', dns({ address: '*.example.com' }), /^error spec.endpoints\[0\].address: "\*.example.com" is neither/],
    ['DNS without an address', dns({ network: 'n' }), /^error spec.endpoints\[0\].address: is required: resolution by DNS/],
    [
      'DNS_ROUND_ROBIN with two endpoints',
      { ...dns({ address: 'a.example.com' }, { address: 'b.example.com' }), resolution: 'DNS_ROUND_ROBIN' },
      /^error spec.endpoints: has 2 entries; resolution DNS_ROUND_ROBIN takes at most one/,
    ],
    [
      'several hosts on TCP',
      { hosts: ['a.example.com', 'b.example.com'], ports: [...http, ...tcp], resolution: 'DNS' },
      /^error spec.ports\[1\]: carries neither HTTP nor TLS/,
    ],
    [
      'several hosts with addresses on TLS',
      {
        hosts: ['a.example.com', 'b.example.com'],
        addresses: ['10.0.0.1'],
        ports: [{ number: 443, name: 'tls', protocol: 'TLS' }],
        resolution: 'DNS',
      },
      /^warning spec.hosts: several hosts share the same addresses/,
    ],
    [
      'DYNAMIC_DNS needs wildcards',
      { ...dynamic, hosts: ['a.example.com'] },
      /^error spec.hosts\[0\]: "a.example.com" must be a wildcard/,
    ],
    [
      'DYNAMIC_DNS with addresses',
      { ...dynamic, addresses: ['10.0.0.1'] },
      /^error spec.addresses: are not allowed while resolution is DYNAMIC_DNS/,
    ],
    [
      'DYNAMIC_DNS with endpoints',
      { ...dynamic, endpoints: [{ address: 'a.example.com' }] },
      /^error spec.endpoints: are not allowed while resolution is DYNAMIC_DNS/,
    ],
    [
      'DYNAMIC_DNS with TCP',
      { ...dynamic, ports: tcp },
      'error spec.ports[0].protocol: must be one of HTTP, HTTP2, GRPC, TLS while resolution is DYNAMIC_DNS',
    ],
    [
      'DYNAMIC_DNS with a waypoint',
      { ...dynamic, location: 'MESH_INTERNAL' },
      /^error spec.location: MESH_INTERNAL with resolution DYNAMIC_DNS/,
      { labels: { 'istio.io/use-waypoint': 'w' } },
    ],
    ['exportTo twice', { ...host, exportTo: ['a', 'a'] }, 'error spec.exportTo[1]: "a" is listed twice'],
    [
      'exportTo own namespace twice',
      { ...host, exportTo: ['shop', '.'] },
      `error spec.exportTo[1]: '.' and the own namespace "shop" are the same`,
    ],
    [
      'exportTo all and more',
      { ...host, exportTo: ['*', 'a'] },
      "error spec.exportTo: '*' exports to every namespace, so it must be the only entry",
    ],
    [
      'exportTo none and more',
      { ...host, exportTo: ['a', '~'] },
      "error spec.exportTo: '~' exports to no namespace, so it must be the only entry",
    ],
    ['exportTo a namespace', { ...host, exportTo: ['a.b'] }, /^error spec.exportTo\[0\]: "a.b" is neither a namespace nor/],
  ])('%s', (_, spec, expected, metadata) => {
    const found = texts(spec, metadata);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(
      expected instanceof RegExp ? expected : new RegExp(`^${expected.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`),
    );
  });

  it('knows every place as segments, for the position in a file', () => {
    expect(
      findings({ hosts: ['api.example.com'], resolution: 'STATIC', endpoints: [{ address: '10.0.0.1', labels: { 'a b': '' } }] }),
    ).toMatchObject([{ segments: ['spec', 'endpoints', 0, 'labels', 'a b'], path: 'spec.endpoints[0].labels["a b"]' }]);
  });
});
