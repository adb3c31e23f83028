import type Type from 'typebox';
import type { injectionConfigSchema } from './schema.ts';

/** How pods are injected, whatever the pod: read from a file by `readInjectionConfig`, documented in docs/reference/injection.md. */
export type InjectionConfig = Readonly<Type.Static<typeof injectionConfigSchema>>;

/** What is in force where a file says nothing. */
export const defaultInjectionConfig: InjectionConfig = {
  revision: 'default',
  revisionTags: [],
  policy: 'enabled',
  enableNamespacesByDefault: false,
  ignoredNamespaces: ['kube-system', 'kube-public', 'kube-node-lease', 'local-path-storage'],
  neverInjectSelector: [],
  alwaysInjectSelector: [],
  injectedAnnotations: {},
  rewriteAppHTTPProbe: true,
  ipFamilies: 'auto',
  clusterDomain: 'cluster.local',
  clusterName: 'Kubernetes',
  network: '',
  meshId: 'cluster.local',
  // The release whose API and names these are: without one no EnvoyFilter that asks for a version would be for these proxies.
  istioVersion: '1.30.3',
  imagePullPolicy: '',
  imagePullSecrets: [],
  defaultTemplates: ['sidecar'],
  templates: {},
  templateAliases: {},
  proxy: {
    image: 'docker.io/envoyproxy/envoy:v1.40.0',
    shell: '/bin/bash',
    resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '2000m', memory: '1024Mi' } },
    logLevel: 'warning',
    componentLogLevel: 'misc:error',
    readinessInitialDelaySeconds: 0,
    readinessPeriodSeconds: 15,
    readinessFailureThreshold: 4,
    startupProbe: { enabled: true, failureThreshold: 600 },
    seccompProfile: { type: 'RuntimeDefault' },
  },
  init: { image: 'weft/init:0.1.0' },
  capture: {
    includeOutboundIPRanges: '*',
    excludeOutboundIPRanges: '',
    includeOutboundPorts: '',
    excludeOutboundPorts: '',
    includeInboundPorts: '*',
    excludeInboundPorts: '',
    excludeInterfaces: '',
  },
  xds: {
    address: 'weft.weft-system.svc:15012',
    tls: true,
    serverName: '',
    tokenAudience: 'istio-ca',
    tokenExpirationSeconds: 43_200,
    caConfigMap: 'istio-ca-root-cert',
    caKey: 'root-cert.pem',
    initialFetchTimeoutSeconds: 5,
  },
  ports: { admin: 15_000, status: 15_020, health: 15_021, metrics: 15_090 },
};
