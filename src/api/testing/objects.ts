import type { EnvoyFilterSpec, ServiceEntrySpec, SidecarSpec, WorkloadEntrySpec } from '../index.ts';

const object = (kind: string, spec: unknown, metadata: object = {}) => ({
  apiVersion: 'networking.istio.io/v1',
  kind,
  metadata: { name: 'example', namespace: 'shop', ...metadata },
  spec,
});

/** Objects in namespace `shop`; the spec may be anything, right or wrong. */
export const serviceEntry = (spec: unknown, metadata?: object) => object('ServiceEntry', spec, metadata);
export const sidecar = (spec: unknown, metadata?: object) => object('Sidecar', spec, metadata);
export const envoyFilter = (spec: unknown, metadata?: object) => object('EnvoyFilter', spec, metadata);
export const workloadEntry = (spec: unknown, metadata?: object) => object('WorkloadEntry', spec, metadata);

/** A spec of each kind that uses every field, without any finding. */
export const fullServiceEntry: ServiceEntrySpec = {
  hosts: ['api.example.com'],
  addresses: ['192.0.2.10', '2001:db8::/64', '198.51.100.7/16'],
  ports: [
    { number: 443, name: 'https', protocol: 'TLS', targetPort: 8443 },
    { number: 80, name: 'http', protocol: 'http' },
    { number: 9000, name: 'sniffed' },
  ],
  location: 'MESH_INTERNAL',
  resolution: 'STATIC',
  endpoints: [
    {
      address: '203.0.113.5',
      ports: { https: 10443, http: 10080 },
      labels: { 'app.kubernetes.io/name': 'api', tier: '' },
      network: 'vm',
      locality: 'eu/eu-west/a',
      weight: 5,
      serviceAccount: 'api',
    },
    { address: '2001:db8::5', weight: 0 },
  ],
  exportTo: ['.', 'billing'],
  subjectAltNames: ['spiffe://cluster.local/ns/shop/sa/api'],
};

export const fullWorkloadEntry: WorkloadEntrySpec = {
  address: 'vm-1.example.com',
  ports: { http: 8080 },
  labels: { app: 'api' },
  network: 'vm',
  locality: 'eu/eu-west',
  weight: 1,
  serviceAccount: 'api',
};

export const fullSidecar: SidecarSpec = {
  workloadSelector: { labels: { app: 'cart' } },
  ingress: [
    {
      port: { number: 9080, protocol: 'HTTP', name: 'web' },
      bind: '0.0.0.0',
      captureMode: 'IPTABLES',
      defaultEndpoint: '127.0.0.1:8080',
      connectionPool: {
        tcp: {
          maxConnections: 10,
          connectTimeout: '1s',
          tcpKeepalive: { probes: 3, time: '1h', interval: '75s' },
          maxConnectionDuration: '24h',
          idleTimeout: '0s',
        },
        http: {
          http1MaxPendingRequests: 1,
          http2MaxRequests: 2,
          maxRequestsPerConnection: 0,
          maxRetries: 3,
          idleTimeout: '1h30m',
          h2UpgradePolicy: 'DEFAULT',
          useClientProtocol: true,
          maxConcurrentStreams: 100,
          http2KeepAlive: { interval: '30s', timeout: '500ms' },
        },
      },
    },
    {
      port: { number: 9443, protocol: 'HTTPS' },
      bind: '::',
      defaultEndpoint: 'unix:///run/app.sock',
      tls: {
        mode: 'MUTUAL',
        serverCertificate: '/etc/cert.pem',
        privateKey: '/etc/key.pem',
        caCertificates: '/etc/ca.pem',
        caCrl: '/etc/crl.pem',
        minProtocolVersion: 'TLSV1_2',
        maxProtocolVersion: 'TLSV1_3',
        cipherSuites: ['ECDHE-RSA-AES128-GCM-SHA256'],
        insecureSkipVerify: null,
      },
    },
  ],
  egress: [
    { port: { number: 0, protocol: 'TCP' }, bind: 'unix:///run/out.sock', captureMode: 'NONE', hosts: ['./*'] },
    {
      port: { number: 8080, protocol: 'HTTP', name: 'out' },
      bind: '127.0.0.1',
      captureMode: 'NONE',
      hosts: ['*/api.example.com'],
    },
    { hosts: ['./*', 'billing/*.example.com', '~prod/*'] },
  ],
  inboundConnectionPool: { tcp: { maxConnections: 100 } },
  outboundTrafficPolicy: {
    mode: 'ALLOW_ANY',
    egressProxy: { host: 'egress.shop.svc.cluster.local', subset: 'v1', port: { number: 15443 } },
  },
};

export const fullEnvoyFilter: EnvoyFilterSpec = {
  workloadSelector: { labels: { app: 'cart' } },
  priority: -10,
  configPatches: [
    {
      applyTo: 'HTTP_FILTER',
      match: {
        context: 'SIDECAR_INBOUND',
        proxy: { proxyVersion: '^1\\.(29|30).*', metadata: { CLUSTER_ID: 'east' } },
        listener: {
          portNumber: 8080,
          filterChain: {
            filter: { name: 'envoy.filters.network.http_connection_manager', subFilter: { name: 'envoy.filters.http.router' } },
          },
        },
      },
      patch: {
        operation: 'INSERT_BEFORE',
        value: {
          name: 'envoy.filters.http.lua',
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua',
            default_source_code: { inline_string: '' },
          },
        },
      },
    },
    {
      applyTo: 'VIRTUAL_HOST',
      match: { context: 'SIDECAR_OUTBOUND', routeConfiguration: { vhost: { name: 'api:80', route: { action: 'ANY' } } } },
      patch: { operation: 'REMOVE' },
    },
    {
      applyTo: 'CLUSTER',
      match: { cluster: { service: 'api.example.com', portNumber: 443, subset: 'v1' } },
      patch: { operation: 'MERGE', value: { connect_timeout: '500ms', lbPolicy: 'ROUND_ROBIN' } },
    },
  ],
};
