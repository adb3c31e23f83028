import { describe, expect, it } from 'vitest';
import { formatFinding } from '../finding.ts';
import { fullSidecar, sidecar } from '../testing/objects.ts';
import { validate } from '../validate.ts';
import { parseEgressHost } from './egress-hosts.ts';
import { sidecarKind } from './kind.ts';

const texts = (spec: unknown) => validate(sidecarKind, sidecar(spec)).map((found) => `${found.severity} ${formatFinding(found)}`);
const ingress = (listener: object) => ({ ingress: [{ port: { number: 80, protocol: 'HTTP' }, ...listener }] });
const tls = (settings: object) => ingress({ port: { number: 443, protocol: 'HTTPS' }, tls: settings });
const files = { serverCertificate: '/c', privateKey: '/k' };
const egress = (...listeners: object[]) => ({ egress: listeners.map((listener) => ({ hosts: ['./*'], ...listener })) });
const hosts = (...list: string[]) => ({ egress: [{ hosts: list }] });
const pool = (settings: object) => ({ inboundConnectionPool: settings });
const proxy = { host: 'a.example.com', port: { number: 80 } };

describe('a Sidecar without findings', () => {
  it.each<[string, object]>([
    ['every field', fullSidecar],
    ['a policy alone', { outboundTrafficPolicy: {} }],
    ['no host at all', hosts('~/*')],
    ['everything', hosts('*/*')],
    ['an exclusion', hosts('*/*', '~prod/*', '~*/*.example.com', '~./a.example.com')],
    ['a port alone as endpoint', ingress({ defaultEndpoint: ':8080' })],
    ['IPv6 endpoints', ingress({ defaultEndpoint: '[::]:8080' })],
    ['SIMPLE TLS', tls({ mode: 'SIMPLE', ...files })],
    ['cipher expressions', tls({ mode: 'SIMPLE', ...files, cipherSuites: ['ALL', '-PSK', '[A|B]'] })],
    ['an idle timeout that is off', pool({ tcp: { idleTimeout: '0' } })],
  ])('%s', (_, spec) => {
    expect(texts(spec)).toEqual([]);
  });
});

describe('a rule of Sidecar', () => {
  it.each<[string, object, RegExp]>([
    ['not empty', { workloadSelector: { labels: { a: 'b' } } }, /^error spec: is empty/],
    ['selector without labels', { ...hosts('*/*'), workloadSelector: {} }, /^warning spec.workloadSelector: has no labels/],
    [
      'selector with a wildcard',
      { ...hosts('*/*'), workloadSelector: { labels: { '*': 'b' } } },
      /^error spec.workloadSelector.labels\["\*"\]: a wildcard/,
    ],
    ['ingress port is required', { ingress: [{}] }, /^error spec.ingress\[0\].port: is required/],
    ['ingress port number', ingress({ port: { protocol: 'HTTP' } }), /^error spec.ingress\[0\].port.number: is required/],
    [
      'ingress port range',
      ingress({ port: { number: 70000 } }),
      /^error spec.ingress\[0\].port.number: must be between 1 and 65535, found 70000/,
    ],
    [
      'ingress ports are unique',
      { ingress: [{ port: { number: 80 } }, { port: { number: 80 } }] },
      /^error spec.ingress\[1\].port.number: 80 is already the port of ingress\[0\]/,
    ],
    [
      'port names',
      ingress({ port: { number: 80, name: 'a_b' } }),
      /^error spec.ingress\[0\].port.name: "a_b" is not a port name/,
    ],
    [
      'protocols',
      ingress({ port: { number: 80, protocol: 'QUIC' } }),
      /^error spec.ingress\[0\].port.protocol: "QUIC" is not a protocol/,
    ],
    ['targetPort', ingress({ port: { number: 80, targetPort: 81 } }), /^error spec.ingress\[0\].port.targetPort: has no effect/],
    ['ingress bind', ingress({ bind: 'localhost' }), /^error spec.ingress\[0\].bind: "localhost" is not an IPv4 or IPv6 address/],
    ['ingress bind to a socket', ingress({ bind: 'unix:///a' }), /^error spec.ingress\[0\].bind: must be an IP address/],
    [
      'captureMode',
      ingress({ captureMode: 'TPROXY' }),
      /^error spec.ingress\[0\].captureMode: must be one of DEFAULT, IPTABLES, NONE/,
    ],
    [
      'defaultEndpoint elsewhere',
      ingress({ defaultEndpoint: '10.0.0.1:80' }),
      /^error spec.ingress\[0\].defaultEndpoint: "10.0.0.1:80" must have the form 127.0.0.1:PORT/,
    ],
    [
      'defaultEndpoint without a port',
      ingress({ defaultEndpoint: '127.0.0.1' }),
      /^error spec.ingress\[0\].defaultEndpoint: .* must have the form/,
    ],
    [
      'defaultEndpoint port',
      ingress({ defaultEndpoint: '[::1]:0' }),
      /^error spec.ingress\[0\].defaultEndpoint: .* must end in a port/,
    ],
    [
      'defaultEndpoint socket',
      ingress({ defaultEndpoint: 'unix://a' }),
      /^error spec.ingress\[0\].defaultEndpoint: .* must be absolute/,
    ],
    [
      'HTTP pool on TCP',
      ingress({ port: { number: 80, protocol: 'TCP' }, connectionPool: { http: {} } }),
      /^warning spec.ingress\[0\].connectionPool.http: has no effect/,
    ],
    [
      'TLS needs a TLS port',
      ingress({ tls: { mode: 'SIMPLE', ...files } }),
      /^error spec.ingress\[0\].tls: needs port.protocol HTTPS or TLS, found "HTTP"/,
    ],
    [
      'TLS subjectAltNames',
      tls({ mode: 'SIMPLE', ...files, subjectAltNames: ['a'] }),
      /^error spec.ingress\[0\].tls.subjectAltNames: is not supported/,
    ],
    [
      'TLS httpsRedirect',
      tls({ mode: 'SIMPLE', ...files, httpsRedirect: true }),
      /^error spec.ingress\[0\].tls.httpsRedirect: is not supported/,
    ],
    [
      'TLS credentialName',
      tls({ mode: 'SIMPLE', credentialName: 'a' }),
      /^error spec.ingress\[0\].tls.credentialName: is not supported/,
    ],
    [
      'TLS credentialNames',
      tls({ mode: 'SIMPLE', credentialNames: ['a'] }),
      /^error spec.ingress\[0\].tls.credentialNames: is not supported/,
    ],
    [
      'TLS tlsCertificates',
      tls({ mode: 'SIMPLE', tlsCertificates: [files] }),
      /^error spec.ingress\[0\].tls.tlsCertificates: is not supported/,
    ],
    ['TLS mode', tls({ mode: 'ISTIO_MUTUAL' }), /^error spec.ingress\[0\].tls.mode: ISTIO_MUTUAL is not supported/],
    [
      'TLS certificate',
      tls({ mode: 'SIMPLE', privateKey: '/k' }),
      /^error spec.ingress\[0\].tls.serverCertificate: is required while mode is SIMPLE/,
    ],
    [
      'TLS key',
      tls({ mode: 'SIMPLE', serverCertificate: '/c' }),
      /^error spec.ingress\[0\].tls.privateKey: is required while mode is SIMPLE/,
    ],
    [
      'TLS authorities',
      tls({ mode: 'OPTIONAL_MUTUAL', ...files }),
      /^error spec.ingress\[0\].tls.caCertificates: is required while mode is OPTIONAL_MUTUAL/,
    ],
    [
      'TLS revocation list',
      tls({ mode: 'SIMPLE', ...files, caCrl: '/r' }),
      /^error spec.ingress\[0\].tls.caCrl: is not allowed while mode is SIMPLE/,
    ],
    [
      'TLS ignored certificate',
      tls({ serverCertificate: '/c' }),
      /^warning spec.ingress\[0\].tls.serverCertificate: has no effect while mode is PASSTHROUGH/,
    ],
    [
      'TLS old version',
      tls({ mode: 'SIMPLE', ...files, minProtocolVersion: 'TLSV1_0' }),
      /^warning spec.ingress\[0\].tls.minProtocolVersion: TLSV1_0 needs cipherSuites/,
    ],
    [
      'TLS unknown cipher',
      tls({ mode: 'SIMPLE', ...files, cipherSuites: ['ROT13'] }),
      /^warning spec.ingress\[0\].tls.cipherSuites\[0\]: "ROT13" is not a cipher suite/,
    ],
    [
      'TLS cipher twice',
      tls({ mode: 'SIMPLE', ...files, cipherSuites: ['AES128-SHA', 'AES128-SHA'] }),
      /^warning spec.ingress\[0\].tls.cipherSuites\[1\]: "AES128-SHA" is listed twice/,
    ],
    ['egress hosts are required', { egress: [{}] }, /^error spec.egress\[0\].hosts: is required/],
    ['one egress host', { egress: [{ hosts: [] }] }, /^error spec.egress\[0\].hosts: must have at least one host/],
    [
      'catch-all comes last',
      egress({}, { port: { number: 80 } }),
      /^error spec.egress\[0\]: has no port, so it covers every port/,
    ],
    ['one catch-all', egress({}, {}), /^error spec.egress\[0\]: has no port, .* there can be one only/],
    ['bind without a port', egress({ bind: '127.0.0.1' }), /^warning spec.egress\[0\].bind: is set without a port/],
    [
      'egress ports are unique',
      egress({ port: { number: 80 } }, { port: { number: 80 } }),
      /^error spec.egress\[1\].port.number: 80 is already the port of egress\[0\]/,
    ],
    [
      'egress sockets are unique',
      egress({ port: {}, bind: 'unix:///a' }, { port: {}, bind: 'unix:///a' }),
      /^error spec.egress\[1\].bind: "unix:\/\/\/a" is already the socket of egress\[0\]/,
    ],
    [
      'port 0 needs a socket',
      egress({ port: { number: 0 }, bind: '127.0.0.1' }),
      /^error spec.egress\[0\].port.number: must be between 1 and 65535; 0 is for/,
    ],
    [
      'a socket needs port 0',
      egress({ port: { number: 80 }, bind: 'unix:///a' }),
      /^error spec.egress\[0\].bind: is a Unix domain socket, so port.number must be 0/,
    ],
    [
      'egress socket path',
      egress({ port: { number: 0 }, bind: 'unix://a' }),
      /^error spec.egress\[0\].bind: .* must be absolute/,
    ],
    [
      'egress bind',
      egress({ port: { number: 80 }, bind: '[::]' }),
      /^error spec.egress\[0\].bind: "\[::\]" is not an IPv4 or IPv6 address/,
    ],
    [
      'a socket is not captured',
      egress({ port: {}, bind: 'unix:///a', captureMode: 'IPTABLES' }),
      /^error spec.egress\[0\].captureMode: must be DEFAULT or NONE/,
    ],
    [
      'host without a namespace',
      hosts('api.example.com'),
      /^error spec.egress\[0\].hosts\[0\]: "api.example.com" must have the form namespace\/host/,
    ],
    [
      'host with an empty namespace',
      hosts('/api.example.com'),
      /^error spec.egress\[0\].hosts\[0\]: .* on either side of the '\/'/,
    ],
    ['host with an empty name', hosts('ns/'), /^error spec.egress\[0\].hosts\[0\]: .* on either side of the '\/'/],
    [
      'host with a bad namespace',
      hosts('a.b/*'),
      /^error spec.egress\[0\].hosts\[0\]: "a.b\/\*" begins with "a.b", which is neither/,
    ],
    [
      'host with a bad excluded namespace',
      hosts('*/*', '~a.b/*'),
      /^error spec.egress\[0\].hosts\[1\]: "~a.b\/\*" begins with "a.b"/,
    ],
    [
      'short host',
      hosts('ns/api'),
      /^error spec.egress\[0\].hosts\[0\]: "api" must be fully qualified, such as api.default.svc.cluster.local/,
    ],
    ['host that is no name', hosts('ns/a_b.com'), /^error spec.egress\[0\].hosts\[0\]: "a_b.com" is not a domain name/],
    [
      'host with a partial wildcard',
      hosts('ns/*foo.com'),
      /^error spec.egress\[0\].hosts\[0\]: "\*foo.com" has a partial wildcard/,
    ],
    [
      'host twice',
      hosts('ns/a.com', 'ns/a.com'),
      /^warning spec.egress\[0\].hosts\[1\]: "ns\/a.com" is covered by a host before it/,
    ],
    [
      'host in its own namespace twice',
      hosts('shop/*', './a.com'),
      /^warning spec.egress\[0\].hosts\[1\]: ".\/a.com" is covered/,
    ],
    [
      'hosts before their wildcard',
      hosts('ns/a.com', 'ns/*'),
      /^warning spec.egress\[0\].hosts\[1\]: "ns\/\*" covers hosts listed before it/,
    ],
    ['hosts besides everything', hosts('*/*', 'ns/a.com'), /^warning spec.egress\[0\].hosts: has '\*\/\*'/],
    ['empty pool', pool({}), /^error spec.inboundConnectionPool: must have tcp or http settings/],
    [
      'negative connections',
      pool({ tcp: { maxConnections: -1 } }),
      /^error spec.inboundConnectionPool.tcp.maxConnections: must not be negative, found -1/,
    ],
    [
      'negative requests',
      pool({ http: { http2MaxRequests: -1 } }),
      /^error spec.inboundConnectionPool.http.http2MaxRequests: must not be negative/,
    ],
    [
      'no duration',
      pool({ tcp: { connectTimeout: '10' } }),
      /^error spec.inboundConnectionPool.tcp.connectTimeout: "10" is not a duration/,
    ],
    ['short duration', pool({ tcp: { maxConnectionDuration: '1us' } }), /^error .*.maxConnectionDuration: "1us" is too short/],
    ['negative duration', pool({ tcp: { tcpKeepalive: { time: '-1s' } } }), /^error .*.tcpKeepalive.time: "-1s" is too short/],
    ['fine duration', pool({ http: { idleTimeout: '1.5ms' } }), /^error .*.idleTimeout: "1.5ms" is finer than a millisecond/],
    ['idle timeout of TCP', pool({ tcp: { idleTimeout: 'never' } }), /^error .*.tcp.idleTimeout: "never" is not a duration/],
    [
      'upgrade against the client',
      pool({ http: { h2UpgradePolicy: 'UPGRADE', useClientProtocol: true } }),
      /^error .*.http.useClientProtocol: must not be true while h2UpgradePolicy is UPGRADE/,
    ],
    [
      'pings without a timeout',
      pool({ http: { http2KeepAlive: { interval: '1s' } } }),
      /^error .*.http2KeepAlive.timeout: is required/,
    ],
    [
      'proxy with REGISTRY_ONLY',
      { outboundTrafficPolicy: { egressProxy: proxy } },
      /^error spec.outboundTrafficPolicy.egressProxy: is only allowed while mode is ALLOW_ANY, which it is not by default/,
    ],
    [
      'proxy host',
      { outboundTrafficPolicy: { mode: 'ALLOW_ANY', egressProxy: { ...proxy, host: '*.a.com' } } },
      /^error .*.egressProxy.host: "\*.a.com" is not a domain name/,
    ],
    [
      'proxy port',
      { outboundTrafficPolicy: { mode: 'ALLOW_ANY', egressProxy: { host: 'a.com' } } },
      /^error .*.egressProxy.port: is required/,
    ],
    [
      'proxy port number',
      { outboundTrafficPolicy: { mode: 'ALLOW_ANY', egressProxy: { host: 'a.com', port: {} } } },
      /^error .*.egressProxy.port.number: must be between 1 and 65535, found 0/,
    ],
    [
      'proxy subset',
      { outboundTrafficPolicy: { mode: 'ALLOW_ANY', egressProxy: { ...proxy, subset: 'a.b' } } },
      /^error .*.egressProxy.subset: "a.b" is not a subset name/,
    ],
    [
      'policy mode',
      { outboundTrafficPolicy: { mode: 'ALLOW_ANY_DYNAMIC_DNS' } },
      /^error spec.outboundTrafficPolicy.mode: must be one of REGISTRY_ONLY, ALLOW_ANY; found/,
    ],
  ])('%s', (_, spec, expected) => {
    const found = texts(spec);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(expected);
  });

  it('asks for one source of certificates', () => {
    expect(texts(tls({ mode: 'SIMPLE', ...files, credentialName: 'a' }))).toEqual([
      'error spec.ingress[0].tls.credentialName: is not supported in a Sidecar',
      expect.stringMatching(/^error spec.ingress\[0\].tls: only one of serverCertificate with privateKey/),
    ]);
  });

  it('leaves nothing of ISTIO_MUTUAL to files', () => {
    expect(texts(tls({ mode: 'ISTIO_MUTUAL', serverCertificate: '/c' }))).toContainEqual(
      expect.stringMatching(/^error spec.ingress\[0\].tls.serverCertificate: is not allowed while mode is ISTIO_MUTUAL/),
    );
  });
});

describe('parseEgressHost', () => {
  it.each([
    ['ns/a.com', { namespace: 'ns', host: 'a.com', excluded: false }],
    ['~ns/*', { namespace: 'ns', host: '*', excluded: true }],
    ['~/*', { namespace: '', host: '*', excluded: true }],
    ['a.com', undefined],
  ])('%s', (entry, expected) => {
    expect(parseEgressHost(entry)).toEqual(expected);
  });
});
