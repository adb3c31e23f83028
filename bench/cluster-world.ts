import { meshKindOf } from '../src/api/index.ts';
import type { ServiceEntry } from '../src/api/service-entry/schema.ts';
import { resourcePath } from '../src/runtime/client/resource-path.ts';
import type { RestClient } from '../src/runtime/client/rest-client.ts';
import type { KubernetesObject } from '../src/runtime/object.ts';
import { namespaceName, namespaceSidecar, sharedNamespace, type WorldShape, worldNamespaces } from './worlds.ts';

/** Of one namespace: 100 ServiceEntries and as many Sidecars, and 5 EnvoyFilters. */
const entriesPerNamespace = 100;

/** Of the namespaces that the world had at first: an operator that selects them holds no more than that. */
export const baseLabels = { bench: 'base' };

/** Requests that are under way at once while a world is made. */
const concurrency = 24;

const envoyFilterVersion = 'networking.istio.io/v1alpha3';

/** A world in an API server: as many Sidecars as ServiceEntries, and an EnvoyFilter for each twenty. It can grow. */
export class ClusterWorld {
  readonly #rest: RestClient;
  #namespaces = 0;

  constructor(rest: RestClient) {
    this.#rest = rest;
  }

  get serviceEntries(): number {
    return this.#namespaces * entriesPerNamespace;
  }

  /** Makes what is missing to so many ServiceEntries. */
  async growTo(serviceEntries: number, progress: (made: number) => void): Promise<void> {
    const shape: WorldShape = { serviceEntries, namespaces: serviceEntries / entriesPerNamespace, sidecars: true };
    const isFirst = this.#namespaces === 0;
    const names = isFirst ? ['weft-system', sharedNamespace] : [];
    const objects: KubernetesObject[] = [];
    for (const [namespace, entries] of worldNamespaces(shape)) {
      if (Number(namespace.slice(3)) < this.#namespaces) continue;
      names.push(namespace);
      objects.push(...entries, ...surroundings(namespace, shape.namespaces));
    }
    const labels = isFirst ? baseLabels : {};
    await this.#each(names, (name) =>
      this.#rest.request({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name, labels } } }),
    );
    let made = 0;
    await this.#each(objects, async (body) => {
      const kind = meshKindOf(body.apiVersion, body.kind)!;
      await this.#rest.request({ method: 'POST', path: resourcePath(kind, body.metadata.namespace), body });
      if (++made % 500 === 0) progress(made);
    });
    this.#namespaces = shape.namespaces;
  }

  async #each<T>(items: readonly T[], act: (item: T) => Promise<unknown>): Promise<void> {
    const rest = items.values();
    const worker = async () => {
      for (const item of rest) await act(item);
    };
    await Promise.all(Array.from({ length: concurrency }, worker));
  }
}

/** The ServiceEntry that is changed: HTTP, with two endpoints, in the namespace of the first proxy. */
export const changedEntry = { namespace: namespaceName(0), position: 1 };

/** Its endpoints of a round. */
export function endpointsOf(round: number): ServiceEntry['spec']['endpoints'] {
  return [{ address: '10.200.0.1' }, { address: `10.201.${(round >> 8) & 255}.${round & 255}` }];
}

function surroundings(namespace: string, namespaces: number): KubernetesObject[] {
  const own = Number(namespace.slice(3));
  const objects: KubernetesObject[] = [namespaceSidecar(namespace)];
  for (let index = 1; index < entriesPerNamespace; index++) {
    const { apiVersion, kind, metadata, spec } = namespaceSidecar(namespace, [`${namespaceName((own + index) % namespaces)}/*`]);
    const selecting = { ...spec, workloadSelector: { labels: { app: `app-${index}` } } };
    objects.push({ apiVersion, kind, metadata: { ...metadata, name: `app-${index}` }, spec: selecting } as KubernetesObject);
  }
  for (let index = 0; index < entriesPerNamespace / 20; index++) {
    const isLua = index % 2 === 1;
    objects.push({
      apiVersion: envoyFilterVersion,
      kind: 'EnvoyFilter',
      metadata: { name: `filter-${index}`, namespace },
      spec: {
        ...(index < 3 ? { workloadSelector: { labels: { app: `app-${index}` } } } : {}),
        configPatches: [isLua ? luaPatch : timeoutPatch(index)],
      },
    } as KubernetesObject);
  }
  return objects;
}

const timeoutPatch = (index: number) => ({
  applyTo: 'CLUSTER',
  match: { context: 'SIDECAR_OUTBOUND' },
  patch: { operation: 'MERGE', value: { connect_timeout: `${index + 1}s` } },
});

const luaPatch = {
  applyTo: 'HTTP_FILTER',
  match: {
    context: 'SIDECAR_OUTBOUND',
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
        default_source_code: { inline_string: 'function envoy_on_request(handle)\n  handle:headers():add("x-weft", "1")\nend\n' },
      },
    },
  },
};
