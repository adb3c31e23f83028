import { describe, expect, it } from 'vitest';
import { formatFinding } from '../finding.ts';
import { loadEnvoyTypes } from '../testing/envoy-types.ts';
import { envoyFilter, fullEnvoyFilter } from '../testing/objects.ts';
import { validate } from '../validate.ts';
import { envoyFilterKind } from './kind.ts';

const envoyTypes = loadEnvoyTypes();
const texts = (spec: unknown) =>
  validate(envoyFilterKind, envoyFilter(spec), { envoyTypes }).map((found) => `${found.severity} ${formatFinding(found)}`);

const lua = { '@type': 'type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua' };
const filterValue = { name: 'envoy.filters.http.lua', typed_config: lua };
const manager = 'envoy.filters.network.http_connection_manager';
const patchOf = (config: object) => ({ configPatches: [config] });
const merge = { operation: 'MERGE', value: {} };
const remove = { operation: 'REMOVE' };
const matched = (match: object, applyTo = 'CLUSTER') => patchOf({ applyTo, match, patch: remove });
const filtered = (filter: object, applyTo = 'HTTP_FILTER') => matched({ listener: { filterChain: { filter } } }, applyTo);
const valued = (applyTo: string, value: unknown, operation = 'MERGE') => patchOf({ applyTo, patch: { operation, value } });

describe('an EnvoyFilter without findings', () => {
  it.each<[string, object]>([
    ['every part', fullEnvoyFilter],
    ['nothing', {}],
    ['no match', patchOf({ applyTo: 'CLUSTER', patch: remove })],
    ['a waypoint', matched({ context: 'WAYPOINT', waypoint: { portNumber: 80, filter: { name: 'a' } } }, 'HTTP_FILTER')],
    ['targetRefs', { targetRefs: [{ kind: 'Gateway', group: 'gateway.networking.k8s.io', name: 'g' }] }],
    [
      'a filter class',
      patchOf({ applyTo: 'HTTP_FILTER', patch: { operation: 'ADD', filterClass: 'AUTHZ', value: filterValue } }),
    ],
    [
      "durations in Go's notation",
      valued('CLUSTER', { connect_timeout: '1m30s', common_lb_config: { update_merge_window: '250ms' } }),
    ],
    ['a config of its own discovery', valued('HTTP_FILTER', { name: 'a', config_discovery: { type_urls: ['b'] } }, 'ADD')],
  ])('%s', (_, spec) => {
    expect(texts(spec)).toEqual([]);
  });
});

describe('a rule of EnvoyFilter', () => {
  it.each<[string, object, RegExp]>([
    ['applyTo', patchOf({ patch: remove }), /^error spec.configPatches\[0\].applyTo: is required/],
    ['applyTo is set', patchOf({ applyTo: 'INVALID', patch: remove }), /^error spec.configPatches\[0\].applyTo: is required/],
    [
      'applyTo is known',
      patchOf({ applyTo: 'FILTER', patch: remove }),
      /^error spec.configPatches\[0\].applyTo: must be one of INVALID, LISTENER/,
    ],
    ['patch', patchOf({ applyTo: 'CLUSTER' }), /^error spec.configPatches\[0\].patch: is required/],
    [
      'operation',
      patchOf({ applyTo: 'CLUSTER', patch: { value: {} } }),
      /^error spec.configPatches\[0\].patch.operation: is required/,
    ],
    [
      'value',
      patchOf({ applyTo: 'CLUSTER', patch: { operation: 'ADD' } }),
      /^error spec.configPatches\[0\].patch.value: is required for ADD/,
    ],
    [
      'value is an object',
      valued('CLUSTER', []),
      /^error spec.configPatches\[0\].patch.value: must be a map of fields, found a list/,
    ],
    [
      'value fits',
      valued('CLUSTER', { name: 1 }),
      /^error spec.configPatches\[0\].patch.value.name: does not fit Envoy's envoy.config.cluster.v3.Cluster: .*name.* expected string, got 1/,
    ],
    [
      'value fits inside of lists',
      valued('CLUSTER', { circuit_breakers: { thresholds: [{}, { max_requests: -1 }] } }),
      /^error spec.configPatches\[0\].patch.value.circuit_breakers.thresholds\[1\].max_requests: .*-1 out of range/,
    ],
    [
      'value fits inside of a typed_config',
      valued('HTTP_FILTER', {
        name: 'a',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua',
          source_codes: { a: { filename: 1 } },
        },
      }),
      /^error spec.configPatches\[0\].patch.value.typed_config.source_codes.a.filename: .*expected string, got 1/,
    ],
    [
      'durations are whole',
      valued('CLUSTER', { connect_timeout: '5seconds' }),
      /^error spec.configPatches\[0\].patch.value.connect_timeout: .*"5seconds" is not a duration; write it like 10s/,
    ],
    [
      'value has known fields',
      valued('CLUSTER', { nam: 'a' }),
      /^warning spec.configPatches\[0\].patch.value: .*"nam" is unknown/,
    ],
    [
      'value has known types',
      valued('HTTP_FILTER', { name: 'a', typed_config: { '@type': 'type.googleapis.com/acme.v2.Filter', limit: 1 } }, 'ADD'),
      /^warning spec.configPatches\[0\].patch.value.typed_config\["@type"\]: .* is not a type that Weft knows/,
    ],
    [
      'value has no v2 types',
      valued(
        'HTTP_FILTER',
        { name: 'a', typed_config: { '@type': 'type.googleapis.com/envoy.config.filter.http.lua.v2.Lua' } },
        'ADD',
      ),
      /^error .*.typed_config\["@type"\]: .* of Envoy's v2 API/,
    ],
    [
      'value has a type',
      valued('NETWORK_FILTER', { name: 'a' }, 'INSERT_FIRST'),
      /^warning spec.configPatches\[0\].patch.value: has no typed_config/,
    ],
    [
      'operation has an effect',
      valued('CLUSTER', {}, 'REPLACE'),
      /^warning spec.configPatches\[0\].patch.operation: REPLACE has no effect on CLUSTER; use one of MERGE/,
    ],
    [
      'route configurations are only merged',
      patchOf({ applyTo: 'ROUTE_CONFIGURATION', patch: remove }),
      /^warning .*.operation: REMOVE has no effect on ROUTE_CONFIGURATION/,
    ],
    [
      'filterClass has an effect',
      patchOf({ applyTo: 'CLUSTER', patch: { ...merge, filterClass: 'AUTHN' } }),
      /^warning spec.configPatches\[0\].patch.filterClass: has no effect/,
    ],
    [
      'version pattern',
      matched({ proxy: { proxyVersion: 'a++' } }),
      /^error spec.configPatches\[0\].match.proxy.proxyVersion: "a\+\+" is not a regular expression/,
    ],
    [
      'version pattern length',
      matched({ proxy: { proxyVersion: '('.repeat(1025) } }),
      /^warning .*.proxyVersion: is longer than 1024 characters/,
    ],
    [
      'one object match',
      matched({ cluster: {}, waypoint: {}, context: 'WAYPOINT' }),
      /^error spec.configPatches\[0\].match: has cluster and waypoint; only one of/,
    ],
    [
      'waypoint context',
      matched({ context: 'GATEWAY', waypoint: {} }),
      /^error spec.configPatches\[0\].match.waypoint: is only allowed while context is WAYPOINT/,
    ],
    [
      'waypoint match',
      matched({ context: 'WAYPOINT' }),
      /^error spec.configPatches\[0\].match.waypoint: is required while context is WAYPOINT/,
    ],
    [
      'waypoint port',
      matched({ context: 'WAYPOINT', waypoint: { portNumber: 0 } }),
      /^error .*.waypoint.portNumber: must be between 1 and 65535, found 0/,
    ],
    [
      'port',
      matched({ cluster: { portNumber: 70000 } }),
      /^warning .*.cluster.portNumber: 70000 is not a port, so it matches nothing/,
    ],
    [
      'cluster match',
      matched({ listener: {} }),
      /^error spec.configPatches\[0\].match.listener: does not go with applyTo CLUSTER, which takes a cluster match/,
    ],
    [
      'listener match',
      matched({ cluster: {} }, 'FILTER_CHAIN'),
      /^error .*.match.cluster: does not go with applyTo FILTER_CHAIN, which takes a listener match/,
    ],
    [
      'route match',
      matched({ cluster: {} }, 'HTTP_ROUTE'),
      /^error .*.match.cluster: does not go with applyTo HTTP_ROUTE, which takes a routeConfiguration match/,
    ],
    [
      'listener filter match',
      matched({ cluster: {} }, 'LISTENER_FILTER'),
      /^warning .*.match.cluster: does not go with applyTo LISTENER_FILTER/,
    ],
    [
      'match without use',
      patchOf({ applyTo: 'EXTENSION_CONFIG', match: { cluster: {} }, patch: { operation: 'ADD', value: filterValue } }),
      /^warning .*.match.cluster: has no effect with applyTo EXTENSION_CONFIG/,
    ],
    ['filter name', filtered({}), /^error .*.filterChain.filter.name: is required/],
    [
      'filter of a listener',
      filtered({ name: 'a' }, 'LISTENER'),
      /^warning .*.filterChain.filter: has no effect with applyTo LISTENER/,
    ],
    [
      'renamed filter',
      filtered({ name: 'envoy.http_connection_manager' }),
      /^warning .*.filter.name: "envoy.http_connection_manager" is a name from before/,
    ],
    [
      'sub-filter of an HTTP filter',
      filtered({ name: manager, subFilter: { name: 'a' } }, 'NETWORK_FILTER'),
      /^error .*.filter.subFilter: is only allowed with applyTo HTTP_FILTER, not with NETWORK_FILTER/,
    ],
    [
      'sub-filter of the connection manager',
      filtered({ name: 'a', subFilter: { name: 'b' } }),
      /^error .*.filter.name: must be envoy.filters.network.http_connection_manager/,
    ],
    ['sub-filter name', filtered({ name: manager, subFilter: {} }), /^error .*.subFilter.name: is required/],
    [
      'renamed sub-filter',
      filtered({ name: manager, subFilter: { name: 'envoy.router' } }),
      /^warning .*.subFilter.name: "envoy.router" .* use envoy.filters.http.router/,
    ],
    ['selector without labels', { workloadSelector: {} }, /^warning spec.workloadSelector: has no labels/],
    [
      'selector or targets',
      { workloadSelector: { labels: { a: 'b' } }, targetRefs: [] },
      /^error spec.targetRefs: excludes workloadSelector/,
    ],
    [
      'target kind',
      { targetRefs: [{ kind: 'Pod', name: 'p' }] },
      /^error spec.targetRefs\[0\].kind: "Pod" cannot be a target; Service, ServiceEntry.networking.istio.io/,
    ],
    [
      'target namespace',
      { targetRefs: [{ kind: 'Service', name: 's', namespace: 'n' }] },
      /^error spec.targetRefs\[0\].namespace: must be empty, found "n"/,
    ],
    ['target name', { targetRefs: [{ kind: 'Service', name: '' }] }, /^error spec.targetRefs\[0\].name: must not be empty/],
    [
      'target group',
      { targetRefs: [{ kind: 'Service', name: 's', group: 'A_B' }] },
      /^error spec.targetRefs\[0\].group: "A_B" does not have the form/,
    ],
    ['priority', { priority: 2147483648 }, /^error spec.priority: must be between -2147483648 and 2147483647/],
  ])('%s', (_, spec, expected) => {
    const found = texts(spec);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(expected);
  });

  it("does not look into values without Envoy's types", () => {
    expect(validate(envoyFilterKind, envoyFilter(valued('CLUSTER', { name: 1 })))).toEqual([]);
  });
});
