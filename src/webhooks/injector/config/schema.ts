import Type from 'typebox';
import { mapOf, portNumber, record, stringEnum } from '../../../api/schema-term.ts';

const strings = Type.Array(Type.String());
const quantities = mapOf(Type.String(), { maxProperties: 64 });
const wholeNumber = (description: string) => Type.Integer({ minimum: 0, maximum: 2_147_483_647, description });
const freeForm = (description: string) => mapOf(Type.Unknown(), { description });

/** The settings of the sidecar's container. */
const proxySchema = record({
  image: Type.String({ minLength: 1, description: "The sidecar's image: Envoy 1.40 or later." }),
  shell: Type.String({
    description:
      "Path of bash in the sidecar's image, by which its lifecycle hooks wait and drain. Empty: the image has none, as one with distroless in its name; " +
      'native sidecars then do not drain, classic ones wait with a sleep hook, and holdApplicationUntilProxyStarts is refused for classic ones.',
  }),
  resources: record(
    { requests: Type.Optional(quantities), limits: Type.Optional(quantities) },
    { description: 'Requests and limits of the sidecar and of istio-init, where the pod annotates none.' },
  ),
  logLevel: Type.String({ description: "Envoy's log level." }),
  componentLogLevel: Type.String({ description: "Log levels of Envoy's components: misc:error,config:debug. Empty: none." }),
  readinessInitialDelaySeconds: wholeNumber('Of the readiness probe.'),
  readinessPeriodSeconds: wholeNumber('Of the readiness probe.'),
  readinessFailureThreshold: wholeNumber('Of the readiness probe.'),
  startupProbe: record({
    enabled: Type.Boolean({
      description: 'Whether the sidecar has a startup probe; a native one needs it to hold the application.',
    }),
    failureThreshold: wholeNumber('How many seconds the sidecar may take to its first configuration.'),
  }),
  lifecycle: Type.Optional(freeForm('Lifecycle hooks in place of those that Weft writes.')),
  seccompProfile: Type.Optional(freeForm("Of the sidecar and of istio-init. null: the pod's.")),
});

/** The settings of istio-init. */
const initSchema = record({
  image: Type.String({ minLength: 1, description: 'An image with iptables, ip6tables and a shell.' }),
});

/** What is captured where a pod's annotations say nothing; each value in the notation of its annotation. */
const captureSchema = record({
  includeOutboundIPRanges: Type.String(),
  excludeOutboundIPRanges: Type.String(),
  includeOutboundPorts: Type.String(),
  excludeOutboundPorts: Type.String(),
  includeInboundPorts: Type.String(),
  excludeInboundPorts: Type.String(),
  excludeInterfaces: Type.String(),
});

/** Where the sidecar's configuration comes from. */
const xdsSchema = record({
  address: Type.String({
    minLength: 1,
    description: "HOST:PORT of the control plane; a pod's ProxyConfig may say another (discoveryAddress).",
  }),
  tls: Type.Boolean({
    description:
      "Over TLS, with the pod's service account token. False: in plaintext and without a token, for tests and trusted networks only.",
  }),
  serverName: Type.String({
    description: "The name that the control plane's certificate must bear. Empty: the host of the address.",
  }),
  tokenAudience: Type.String({ minLength: 1, description: "Audience of the sidecar's service account token." }),
  tokenExpirationSeconds: Type.Integer({ minimum: 600, maximum: 4_294_967_296, description: "Lifetime of the sidecar's token." }),
  caConfigMap: Type.String({
    minLength: 1,
    description: "The ConfigMap of the pod's namespace that holds the control plane's CA.",
  }),
  caKey: Type.String({ minLength: 1, description: 'The key of that ConfigMap, a bundle in PEM.' }),
  initialFetchTimeoutSeconds: wholeNumber(
    'How long a starting Envoy waits for its first clusters, and again for its first listeners, before it serves probes without them. 0: without end.',
  ),
});

/** The ports that the sidecar binds besides those of the mesh. Istio's, and other software relies on them. */
const portsSchema = record({
  admin: portNumber({ description: "Envoy's admin page, on loopback only." }),
  status: portNumber({ description: "The application's probes and merged metrics." }),
  health: portNumber({ description: "The sidecar's own readiness." }),
  metrics: portNumber({ description: "Envoy's own metrics." }),
});

/** The form of an injection configuration, every field present: what a file leaves out is taken from the defaults before it is checked. */
export const injectionConfigSchema = record({
  revision: Type.String({
    minLength: 1,
    description: 'The revision that this injector serves: of istio.io/rev. `default` also serves istio-injection=enabled.',
  }),
  revisionTags: Type.Array(Type.String({ minLength: 1 }), {
    description: 'Further values of istio.io/rev that this injector serves.',
  }),
  policy: stringEnum(['enabled', 'disabled'], {
    description: 'Whether pods of a namespace that is served are injected where neither the pod nor a selector says so.',
  }),
  enableNamespacesByDefault: Type.Boolean({
    description: 'Whether namespaces without a label are served; for the default revision only.',
  }),
  ignoredNamespaces: Type.Array(Type.String(), { description: 'Namespaces in which nothing is ever injected.' }),
  neverInjectSelector: Type.Array(freeForm('A label selector.'), {
    description: 'Pods that one of these matches are not injected, unless they ask for it themselves.',
  }),
  alwaysInjectSelector: Type.Array(freeForm('A label selector.'), {
    description: 'Pods that one of these matches, and none of neverInjectSelector, are injected even with policy disabled.',
  }),
  injectedAnnotations: mapOf(Type.String(), { description: 'Annotations that every injected pod gets.' }),
  nativeSidecars: Type.Optional(
    Type.Boolean({
      description:
        "Whether sidecars are init containers that keep running. Absent: if the API server's version is Kubernetes 1.29 or later; offline, yes.",
    }),
  ),
  sleepHooks: Type.Optional(
    Type.Boolean({
      description:
        "Whether a classic sidecar without a shell may wait by a sleep hook. Absent: if the API server's version is Kubernetes 1.30 or later; offline, yes.",
    }),
  ),
  rewriteAppHTTPProbe: Type.Boolean({ description: "Whether the application's probes and hooks are led through the sidecar." }),
  ipFamilies: stringEnum(['auto', 'ipv4', 'ipv6', 'dual'], {
    description:
      "What the sidecar's own listeners bind. auto: the pod's first address, and 127.0.0.1; else the wildcard of the family, or of both.",
  }),
  clusterDomain: Type.String({ minLength: 1, description: "The cluster's DNS domain." }),
  clusterName: Type.String({ minLength: 1, description: 'CLUSTER_ID of the proxies.' }),
  network: Type.String({ description: 'NETWORK of the proxies. Empty: none.' }),
  meshId: Type.String({ minLength: 1, description: 'MESH_ID of the proxies.' }),
  istioVersion: Type.String({
    description: "ISTIO_VERSION of the proxies, which an EnvoyFilter's match.proxy.proxyVersion is compared with. Empty: none.",
  }),
  imagePullPolicy: Type.String({ description: "Of the sidecar and of istio-init. Empty: Kubernetes' default." }),
  imagePullSecrets: Type.Array(Type.String({ minLength: 1 }), {
    description: 'Names of secrets that are added to injected pods; in a file also as `{name: …}`.',
  }),
  defaultTemplates: Type.Array(Type.String({ minLength: 1 }), {
    description: 'The templates of a pod that names none in inject.istio.io/templates.',
  }),
  templates: mapOf(freeForm('A piece of a pod: metadata and spec.'), {
    description: 'Pieces of pods by name, merged strategically into those that name them. `sidecar` is built in.',
  }),
  templateAliases: mapOf(strings, { description: 'Names that stand for several templates.' }),
  proxy: proxySchema,
  init: initSchema,
  capture: captureSchema,
  xds: xdsSchema,
  ports: portsSchema,
});
