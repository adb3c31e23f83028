import type { JsonMap } from '../injection.ts';

/** The `@type` of a message: `type.googleapis.com/` and its name. */
export function typed(message: string, fields: JsonMap = {}): JsonMap {
  return { '@type': `type.googleapis.com/${message}`, ...fields };
}

/**
 * A message that has fields newer than the generated types: Envoy makes it of the fields itself, and says which it does not know. What
 * reads the bootstrap by those types, EnvoyFilter's patches, leaves it alone.
 */
export function typedLoosely(message: string, fields: JsonMap): JsonMap {
  return typed('xds.type.v3.TypedStruct', { type_url: `type.googleapis.com/${message}`, value: fields });
}

/** An extension of Envoy: its name and its configuration. */
export function extension(name: string, message: string, fields: JsonMap = {}): JsonMap {
  return { name, typed_config: typed(message, fields) };
}

/** An address as Envoy writes it. */
export function socketAddress(address: string, port: number): JsonMap {
  return { socket_address: { address, port_value: port } };
}

/** A cluster of one address. */
export function clusterOf(name: string, type: 'STATIC' | 'STRICT_DNS', address: string, port: number, fields: JsonMap): JsonMap {
  return {
    name,
    type,
    ...fields,
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(address, port) } }] }],
    },
  };
}

/** How a cluster speaks HTTP: its protocol, and what is common to both. */
export function httpProtocol(version: 'http1' | 'http2', common: JsonMap = {}, more: JsonMap = {}): JsonMap {
  const options = version === 'http2' ? { http2_protocol_options: more } : { http_protocol_options: more };
  return {
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': typed('envoy.extensions.upstreams.http.v3.HttpProtocolOptions', {
        explicit_http_config: options,
        ...common,
      }),
    },
  };
}

/** Seconds as protobuf's JSON writes a duration. */
export function seconds(value: number): string {
  return `${value}s`;
}
