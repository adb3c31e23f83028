import type { Sidecar } from '../src/api/sidecar/schema.ts';
import type { KubernetesObject } from '../src/runtime/object.ts';
import type { ProxyShape } from './processes/load-clients.ts';
import { fileOf, type WorldFile } from './world-directory.ts';
import { changingEntry, foreignHost, namespaceName, namespaceSidecar, type WorldShape, worldNamespaces } from './worlds.ts';

/** In each namespace: a Sidecar for each of so many apps, of which only the first few run, and one for all others. */
const appsPerNamespace = 94;
/** In each namespace; the last few have one less, and the root namespace those. */
const filtersPerNamespace = 5;

/** Those that change by themselves: one of a namespace, one of the root namespace. */
const changingFilters = 2;

/** Where EnvoyFilters hold for every proxy. */
export const rootNamespace = 'istio-system';

/** Namespaces that have proxies: as many in a larger world. */
const busyNamespaces = 40;
/** The proxies of such a namespace, by app: two replicas or three of most. */
const replicasOfApps = [3, 2, 2, 2, 1];

/** 400 proxies in 200 classes: ten in each of 40 namespaces, of five apps, each app under a Sidecar of its own. */
export const fleetProxies: readonly ProxyShape[] = Array.from({ length: busyNamespaces }, (_, index) =>
  replicasOfApps.flatMap((replicas, app) =>
    Array.from({ length: replicas }, () => ({ namespace: namespaceName(index), labels: { app: appName(app) } })),
  ),
).flat();

/** For each namespace a file of its entries, one of its Sidecars, one of its EnvoyFilters; by themselves those that change. */
export function* fleetFiles(shape: WorldShape): Generator<WorldFile> {
  for (const [namespace, objects] of worldNamespaces(shape)) {
    const index = Number(namespace.slice('ns-'.length));
    const sidecars = fleetSidecars(index, shape);
    yield [fileOf(namespace, 'entries'), objects];
    yield [fileOf(namespace, 'sidecars'), index === 0 ? sidecars.filter((each) => each.metadata.name !== appName(0)) : sidecars];
    yield [fileOf(namespace, 'filters'), fleetFilters(index, shape)];
  }
  const first = namespaceName(0);
  yield [changingSidecarFile, [appSidecar(0, 0, [elsewhere(0, 0, shape)])]];
  yield [fileOf(first, 'moving'), [changingEntry('moving', first)]];
  yield [fileOf(first, 'script'), [scriptFilter(first, 0)]];
  yield [fileOf(rootNamespace, 'script'), [scriptFilter(rootNamespace, 0)]];
  yield [fileOf(rootNamespace, 'filters'), fleetRootFilters];
}

/** Where the Sidecar of the first namespace's first app stands. */
export const changingSidecarFile = fileOf(namespaceName(0), 'sidecar');

/** The Sidecars of a namespace: what is its own and shared, and for each app the hosts of one service elsewhere. */
function fleetSidecars(namespace: number, shape: WorldShape): Sidecar[] {
  return [
    namespaceSidecar(namespaceName(namespace)),
    ...Array.from({ length: appsPerNamespace }, (_, app) => appSidecar(namespace, app, [elsewhere(namespace, app, shape)])),
  ];
}

/** An app's Sidecar; `further` as in {@link namespaceSidecar}. */
export function appSidecar(namespace: number, app: number, further: readonly string[]): Sidecar {
  const { metadata, spec, ...kind } = namespaceSidecar(namespaceName(namespace), further);
  const name = appName(app);
  return { ...kind, metadata: { ...metadata, name }, spec: { ...spec, workloadSelector: { labels: { app: name } } } };
}

/** The host outside of its namespace that an app's Sidecar imports. */
export function elsewhere(namespace: number, app: number, shape: WorldShape): string {
  const others = shape.namespaces - 1;
  return foreignHost((namespace + 1 + (app % others)) % shape.namespaces, shape).host;
}

/** The EnvoyFilters of a namespace, three for all its proxies, two for one app each. */
function fleetFilters(namespace: number, shape: WorldShape): KubernetesObject[] {
  const count =
    namespace < shape.namespaces - rootFilters.length - changingFilters ? filtersPerNamespace : filtersPerNamespace - 1;
  const owner = namespaceName(namespace);
  return namespaceFilters.slice(0, count).map((make, index) => make(owner, `filter-${index}`));
}

const namespaceFilters = [
  (namespace: string, name: string) => filter({ namespace, name }, [luaPatch('SIDECAR_OUTBOUND', 0)]),
  (namespace: string, name: string) =>
    filter({ namespace, name }, [merge('CLUSTER', { context: 'SIDECAR_OUTBOUND' }, { connect_timeout: '3s' })]),
  (namespace: string, name: string) => filter({ namespace, name, app: 0 }, [luaPatch('SIDECAR_INBOUND', 1)]),
  (namespace: string, name: string) =>
    filter({ namespace, name, app: 1 }, [
      merge('HTTP_ROUTE', { context: 'SIDECAR_OUTBOUND' }, { route: { timeout: '7s' } }),
      merge('VIRTUAL_HOST', { context: 'SIDECAR_OUTBOUND' }, { include_attempt_count_in_response: true }),
    ]),
  (namespace: string, name: string) =>
    filter({ namespace, name }, [
      merge('CLUSTER', { cluster: { portNumber: 9090 } }, { per_connection_buffer_limit_bytes: 65_536 }),
    ]),
];

const rootFilters = [
  (name: string) => filter({ namespace: rootNamespace, name }, [luaPatch('SIDECAR_INBOUND', 2)]),
  (name: string) =>
    filter({ namespace: rootNamespace, name }, [
      merge(
        'CLUSTER',
        { context: 'SIDECAR_OUTBOUND' },
        { upstream_connection_options: { tcp_keepalive: { keepalive_time: 300 } } },
      ),
    ]),
  (name: string) =>
    filter({ namespace: rootNamespace, name }, [merge('LISTENER', {}, { per_connection_buffer_limit_bytes: 131_072 })]),
];

/** The root namespace's, without the one that the benchmark changes. */
const fleetRootFilters: readonly KubernetesObject[] = rootFilters.map((make, index) => make(`root-${index}`));

/** A script in front of the router of every outbound HTTP listener of a namespace, or in the root namespace of every proxy. */
export function scriptFilter(namespace: string, round: number): KubernetesObject {
  return filter({ namespace, name: 'script' }, [luaPatch('SIDECAR_OUTBOUND', round)]);
}

interface FilterName {
  readonly namespace: string;
  readonly name: string;
  /** Only for this app. */
  readonly app?: number;
}

function filter({ namespace, name, app }: FilterName, configPatches: readonly object[]): KubernetesObject {
  const selector = app === undefined ? {} : { workloadSelector: { labels: { app: appName(app) } } };
  return {
    apiVersion: 'networking.istio.io/v1alpha3',
    kind: 'EnvoyFilter',
    metadata: { name, namespace },
    spec: { ...selector, configPatches },
  } as KubernetesObject;
}

function merge(applyTo: string, match: object, value: object): object {
  return { applyTo, ...(Object.keys(match).length > 0 ? { match } : {}), patch: { operation: 'MERGE', value } };
}

function luaPatch(context: string, round: number): object {
  const script = `function envoy_on_request(handle)\n  handle:headers():add("x-round", "${round}")\nend\n`;
  return {
    applyTo: 'HTTP_FILTER',
    match: {
      context,
      listener: {
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
          default_source_code: { inline_string: script },
        },
      },
    },
  };
}

/** The name of an app, its label and that of its Sidecar. */
export function appName(app: number): string {
  return `app-${String(app).padStart(2, '0')}`;
}
