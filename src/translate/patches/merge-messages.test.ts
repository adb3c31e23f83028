import { type DescMessage, fromJson, type JsonObject, type JsonValue, type Message, toBinary, toJson } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { envoyTypes } from '../../envoy/registry.ts';
import { mergeMessages } from './merge-messages.ts';
import { mergeTypedConfigs } from './typed-config.ts';

const registry = envoyTypes();

function messageOf(name: string): DescMessage {
  return registry.getMessage(name)!;
}

function read(name: string, json: JsonObject): Message {
  return fromJson(messageOf(name), json, { registry });
}

function merged(name: string, target: JsonObject, source: JsonObject, replacesLists = false): JsonValue {
  const [into, from] = [read(name, target), read(name, source)];
  const before = toBinary(messageOf(name), from);
  mergeMessages(messageOf(name), into, from, { replacesLists });
  expect(toBinary(messageOf(name), from)).toEqual(before);
  return toJson(messageOf(name), into, { registry, useProtoFieldName: true });
}

const cluster = 'envoy.config.cluster.v3.Cluster';
const route = 'envoy.config.route.v3.Route';
const lua = { '@type': 'type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua', inline_code: 'x' };
const router = { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' };

describe('mergeMessages', () => {
  it.each<[string, string, JsonObject, JsonObject, JsonValue]>([
    [
      'takes over what is set',
      cluster,
      { alt_stat_name: 'a', name: 'n' },
      { alt_stat_name: 'b' },
      { alt_stat_name: 'b', name: 'n' },
    ],
    ['replaces durations whole', cluster, { connect_timeout: '1.5s' }, { connect_timeout: '2s' }, { connect_timeout: '2s' }],
    [
      'lets a wrapper turn off what is on',
      cluster,
      { max_requests_per_connection: 5 },
      { max_requests_per_connection: 0 },
      { max_requests_per_connection: 0 },
    ],
    [
      'counts the first value of an enumeration as not set',
      cluster,
      { lb_policy: 'RANDOM' },
      { lb_policy: 'ROUND_ROBIN' },
      { lb_policy: 'RANDOM' },
    ],
    ['counts false as not set', cluster, { respect_dns_ttl: true }, { respect_dns_ttl: false }, { respect_dns_ttl: true }],
    [
      'merges messages field by field',
      cluster,
      { upstream_bind_config: { source_address: { address: 'a', port_value: 1 } } },
      { upstream_bind_config: { source_address: { port_value: 2 } } },
      { upstream_bind_config: { source_address: { address: 'a', port_value: 2 } } },
    ],
    [
      'puts another member of a oneof in its place',
      route,
      { route: { cluster: 'a' }, match: { prefix: '/' } },
      { direct_response: { status: 1 } },
      { direct_response: { status: 1 }, match: { prefix: '/' } },
    ],
    [
      'merges into the same member of a oneof',
      route,
      { route: { cluster: 'a', timeout: '1s' } },
      { route: { cluster: 'b' } },
      { route: { cluster: 'b', timeout: '1s' } },
    ],
    [
      'replaces entries of maps',
      cluster,
      { metadata: { filter_metadata: { a: { x: 1, y: 2 }, b: { z: 3 } } } },
      { metadata: { filter_metadata: { a: { x: 9 } } } },
      { metadata: { filter_metadata: { a: { x: 9 }, b: { z: 3 } } } },
    ],
    [
      'replaces an Any whole, also by one that is empty',
      cluster,
      { typed_extension_protocol_options: {}, cluster_type: { name: 'x', typed_config: lua } },
      { cluster_type: { typed_config: router } },
      { cluster_type: { name: 'x', typed_config: router } },
    ],
  ])('%s', (_, name, target, source, expected) => {
    expect(merged(name, target, source)).toEqual(expected);
  });

  it('appends to lists, or replaces them at every depth', () => {
    const target = { circuit_breakers: { thresholds: [{ max_retries: 1 }] } };
    const source = { circuit_breakers: { thresholds: [{ max_retries: 2 }] } };
    expect(merged(cluster, target, source)).toEqual({
      circuit_breakers: { thresholds: [{ max_retries: 1 }, { max_retries: 2 }] },
    });
    expect(merged(cluster, target, source, true)).toEqual({ circuit_breakers: { thresholds: [{ max_retries: 2 }] } });
  });

  it('shares nothing with the source', () => {
    const source = read(cluster, {
      circuit_breakers: { thresholds: [{ max_retries: 2 }] },
      load_assignment: { cluster_name: 'a' },
    });
    const [one, other] = [read(cluster, {}), read(cluster, {})];
    mergeMessages(messageOf(cluster), one, source);
    mergeMessages(messageOf(cluster), other, source);
    const before = toBinary(messageOf(cluster), other);
    mergeMessages(messageOf(cluster), one, read(cluster, { load_assignment: { cluster_name: 'b', endpoints: [{}] } }));
    mergeMessages(messageOf(cluster), one, read(cluster, { circuit_breakers: { thresholds: [{ max_retries: 9 }] } }));
    expect(toBinary(messageOf(cluster), other)).toEqual(before);
    expect(toBinary(messageOf(cluster), source)).toEqual(before);
  });
});

describe('mergeTypedConfigs', () => {
  const filter = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter';
  const configOf = (json: JsonObject) =>
    (read(filter, { typed_config: json }) as never as { configType: { value: never } }).configType.value;

  it('refuses two types, saying which', () => {
    expect(() => mergeTypedConfigs(configOf(lua), configOf(router))).toThrow(
      "the patch's typed_config is envoy.extensions.filters.http.router.v3.Router, that of the configuration is envoy.extensions.filters.http.lua.v3.Lua",
    );
  });

  it('merges a TypedStruct as the message that it stands for, whatever its keys are called', () => {
    const struct = (value: JsonObject) =>
      configOf({ '@type': 'type.googleapis.com/xds.type.v3.TypedStruct', type_url: 'x/some.Type', value });
    const into = struct({ a: { b: 1, c: [1] }, d: 'd' });
    const result = mergeTypedConfigs(into, struct(JSON.parse('{"a":{"c":[2]},"__proto__":{"e":1},"d":null}')));
    const json = toJson(messageOf('google.protobuf.Any'), result, { registry }) as JsonObject;
    expect(JSON.stringify(json.value)).toBe('{"a":{"b":1,"c":[1,2]},"d":null,"__proto__":{"e":1}}');
    expect(({} as { e?: unknown }).e).toBeUndefined();
  });
});
