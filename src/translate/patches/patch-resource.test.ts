import { fromBinary, type Message, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { patchedMessages } from '../../api/envoy-filter/operations.ts';
import { TrafficDirection } from '../../envoy/gen/envoy/config/core/v3/base_pb.js';
import { ListenerSchema } from '../../envoy/gen/envoy/config/listener/v3/listener_pb.js';
import { envoyTypes, resourceToJson } from '../../envoy/registry.ts';
import { type Resource, typeUrls } from '../../envoy/resource.ts';
import type { EnvoyFilterPatch, SelectedEnvoyFilter } from '../../mesh/envoy-filter.ts';
import { parseObjects } from '../../testing/load-mesh.ts';
import { mayTouch } from './matches.ts';
import { patchResource } from './patch-resource.ts';
import { contextOf, listenerPort } from './resource-name.ts';
import { compileFilter, selectFilters } from './testing/compile-filters.ts';
import { type PatchCase, readCases, resourcesOf } from './testing/read-cases.ts';

const cases = readCases();
const byName = (name: string) => cases.find((each) => each.name === name)!;
/** Worlds of each address family, and one whose proxy binds its ports itself. */
const worlds: PatchCase[] = [
  'http-filter-insert-before',
  'http-filter-ipv6',
  'http-filter-dual',
  'http-filter-bound-listener',
].map(byName);
let resources: Resource[];

beforeAll(async () => {
  resources = (await Promise.all(worlds.map(resourcesOf))).flat();
});

let copies = 0;
/** As if it were of other bytes: nothing that is known of the one is known of the other. */
function copyOf(resource: Resource): Resource {
  return { ...resource, version: `copy ${++copies}`, value: resource.value.slice() };
}

function bytesOf({ applyTo, value }: EnvoyFilterPatch): Uint8Array | undefined {
  return value && toBinary(envoyTypes().getMessage(patchedMessages[applyTo])!, value as Message);
}

function select(...patches: readonly object[]): SelectedEnvoyFilter[] {
  const [object] = parseObjects(
    '{ apiVersion: networking.istio.io/v1alpha3, kind: EnvoyFilter, metadata: { namespace: shop, name: f }, spec: {} }',
  );
  const filter = compileFilter({ ...object!, spec: { configPatches: patches } } as never);
  return [{ filter, patches: filter.patches }];
}

function find(typeUrl: string, name: string): Resource {
  return resources.find((resource) => resource.typeUrl === typeUrl && resource.name === name)!;
}

describe('patchResource', () => {
  it('changes neither the resource nor the filters, and comes to the same each time, whatever the patches', () => {
    const known = cases.flatMap(({ filters }) => filters.map(compileFilter));
    const all: SelectedEnvoyFilter[] = known.flatMap((filter) => filter.patches.map((patch) => ({ filter, patches: [patch] })));
    const touching = (base: Resource) => all.filter(({ patches }) => mayTouch(patches[0]!, base));
    const touched = resources.filter((base) => touching(base).length > 1);
    const some = fc
      .constantFrom(...touched)
      .chain((base) =>
        fc.tuple(fc.constant(base), fc.uniqueArray(fc.constantFrom(...touching(base)), { minLength: 1, maxLength: 8 })),
      );
    let matches = 0;
    fc.assert(
      fc.property(some, ([base, filters]) => {
        const value = base.value.slice();
        const values = filters.map(({ patches }) => bytesOf(patches[0]!));
        const first = patchResource(copyOf(base), filters);
        const again = patchResource(copyOf(base), filters);
        expect(base.value).toEqual(value);
        expect(filters.map(({ patches }) => bytesOf(patches[0]!))).toEqual(values);
        expect(again.resource?.value).toEqual(first.resource?.value);
        expect(again.matched).toEqual(first.matched);
        matches += first.matched.length;
      }),
      { numRuns: 200 },
    );
    expect(matches).toBeGreaterThan(200);
  });

  it('computes a resource and its patches once, and answers the very resource where nothing is for it', () => {
    const base = find(typeUrls.cluster, 'outbound|80||api.example.com');
    const [one] = select({ applyTo: 'CLUSTER', patch: { operation: 'MERGE', value: { connect_timeout: '1s' } } });
    const other = select({ applyTo: 'CLUSTER', match: { cluster: { name: 'x' } }, patch: { operation: 'REMOVE' } });
    const outcome = patchResource(base, [one!]);
    expect(patchResource(base, [one!, ...other])).toBe(outcome);
    expect(patchResource(copyOf(base), [one!])).not.toBe(outcome);
    expect(patchResource(base, other)).toEqual({ resource: base, matched: [], failed: [] });
    expect(patchResource(base, other).resource).toBe(base);
  });

  it('shares what came out between resources of the same bytes, which keep their own provenance', () => {
    const base = find(typeUrls.listener, '0.0.0.0_80');
    const twin = { ...base, provenance: ['ServiceEntry/shop/other'], value: base.value.slice() };
    const filters = select({ applyTo: 'LISTENER', patch: { operation: 'MERGE', value: { stat_prefix: 'x' } } });
    const [one, other] = [patchResource(base, filters).resource!, patchResource(twin, filters).resource!];
    expect(other.value).toBe(one.value);
    expect(one.provenance).toEqual([...base.provenance, 'EnvoyFilter/shop/f']);
    expect(other.provenance).toEqual(['ServiceEntry/shop/other', 'EnvoyFilter/shop/f']);
    expect(patchResource({ ...base, value: twin.value.slice(1) }, []).resource?.value).not.toBe(one.value);
  });

  it('finds HTTP filters in a connection manager that an earlier patch has brought, and in no other listener of TCP', () => {
    const type = 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
    const manager = {
      applyTo: 'NETWORK_FILTER',
      patch: { operation: 'INSERT_FIRST', value: { name: 'own', typed_config: { '@type': type, stat_prefix: 'own' } } },
    };
    const filter = { applyTo: 'HTTP_FILTER', patch: { operation: 'INSERT_FIRST', value: { name: 'late' } } };
    const limit = { applyTo: 'LISTENER', patch: { operation: 'MERGE', value: { per_connection_buffer_limit_bytes: 1 } } };
    const tcp = resources.find(
      ({ typeUrl, value }) => typeUrl === typeUrls.listener && !Buffer.from(value).includes('HttpConnectionManager'),
    )!;
    const matched = (...patches: object[]) => patchResource(tcp, select(...patches)).matched.map(({ index }) => index);
    expect(matched(limit, manager, filter)).toEqual([0, 1, 2]);
    expect(matched(limit, filter)).toEqual([0]);
    expect(patchResource(tcp, select(filter)).resource).toBe(tcp);
  });

  it('answers the very resource where patches matched and nothing came out different', () => {
    for (const base of resources.filter(({ typeUrl }) => typeUrl === typeUrls.route)) {
      const filters = select({ applyTo: 'HTTP_ROUTE', patch: { operation: 'MERGE', value: { match: { prefix: '/' } } } });
      const outcome = patchResource(base, filters);
      expect(outcome.resource).toBe(base);
      expect(outcome.matched).toEqual([{ object: 'EnvoyFilter/shop/f', index: 0 }]);
    }
  });

  it('gives each place its own copy of a value', () => {
    const rbac = (statPrefix: string) => ({
      '@type': 'type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC',
      stat_prefix: statPrefix,
    });
    const filters = select(
      { applyTo: 'NETWORK_FILTER', patch: { operation: 'INSERT_FIRST', value: { name: 'allow', typed_config: rbac('all') } } },
      {
        applyTo: 'NETWORK_FILTER',
        match: { listener: { filterChain: { destinationPort: 9090, filter: { name: 'allow' } } } },
        patch: { operation: 'MERGE', value: { name: 'one', typed_config: rbac('one') } },
      },
    );
    const { resource } = patchResource(find(typeUrls.listener, 'virtualInbound'), filters);
    const chains = resourceToJson(resource!).filter_chains as {
      filters: { name: string; typed_config: { stat_prefix: string } }[];
    }[];
    const firsts = chains.map(({ filters: [first] }) => `${first!.name} ${first!.typed_config.stat_prefix}`);
    expect(firsts.filter((first) => first === 'one one')).toHaveLength(1);
    expect(firsts.filter((first) => first === 'allow all')).toHaveLength(chains.length - 1);
    expect(
      resourceToJson(patchResource(find(typeUrls.listener, 'virtualOutbound'), filters).resource!).filter_chains,
    ).toMatchObject([{ filters: [{ name: 'allow' }, {}] }, { filters: [{ name: 'allow' }, {}] }]);
  });

  it('leaves a patch that throws out with everything it did, and only that', () => {
    const tcp = { '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', idle_timeout: '5s' };
    const filters = select(
      {
        applyTo: 'NETWORK_FILTER',
        patch: { operation: 'INSERT_FIRST', value: { name: 'envoy.filters.network.tcp_proxy', typed_config: tcp } },
      },
      {
        applyTo: 'NETWORK_FILTER',
        match: { listener: { filterChain: { filter: { name: 'envoy.filters.network.http_connection_manager' } } } },
        patch: { operation: 'MERGE', value: { typed_config: tcp } },
      },
      {
        applyTo: 'NETWORK_FILTER',
        match: { listener: { filterChain: { filter: { name: 'envoy.filters.network.tcp_proxy' } } } },
        patch: { operation: 'MERGE', value: { typed_config: { ...tcp, idle_timeout: '6s' } } },
      },
    );
    const base = find(typeUrls.listener, 'virtualInbound');
    const outcome = patchResource(base, filters);
    expect(outcome.failed).toMatchObject([
      { object: 'EnvoyFilter/shop/f', index: 1, error: { message: expect.stringContaining('TcpProxy') } },
    ]);
    expect(outcome.matched.map(({ index }) => index)).toEqual([0, 2]);
    const without = patchResource(base, [{ ...filters[0]!, patches: filters[0]!.patches.filter(({ index }) => index !== 1) }]);
    expect(outcome.resource?.version).toBe(without.resource?.version);
  });

  it('reads context and port from the name of a listener as they are inside', () => {
    const listeners = resources.filter(({ typeUrl }) => typeUrl === typeUrls.listener);
    expect(listeners.length).toBeGreaterThan(15);
    for (const resource of listeners) {
      const { trafficDirection, address } = fromBinary(ListenerSchema, resource.value);
      const isInbound = trafficDirection === TrafficDirection.INBOUND;
      expect(contextOf(resource), resource.name).toBe(isInbound ? 'SIDECAR_INBOUND' : 'SIDECAR_OUTBOUND');
      const socket = address?.address.case === 'socketAddress' ? address.address.value.portSpecifier.value : undefined;
      expect(listenerPort(resource.name), resource.name).toBe(socket);
    }
  });

  it('never matches for another kind of proxy', () => {
    const patch = { applyTo: 'CLUSTER', patch: { operation: 'REMOVE' } };
    for (const context of ['GATEWAY', 'WAYPOINT']) {
      const filters = select({ ...patch, match: { context, ...(context === 'WAYPOINT' ? { waypoint: {} } : {}) } });
      for (const base of resources) expect(patchResource(base, filters).resource).toBe(base);
    }
  });

  it('leaves endpoints alone, and filters that have no workload to select', () => {
    const filters = select({ applyTo: 'CLUSTER', patch: { operation: 'REMOVE' } });
    for (const base of resources) {
      expect(patchResource(base, filters).resource, base.name).toBe(base.typeUrl === typeUrls.cluster ? undefined : base);
    }
    expect(selectFilters([], 'shop', {})).toEqual([]);
  });
});
