import { create, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { type Any, AnySchema, type Duration, DurationSchema } from '@bufbuild/protobuf/wkt';
import { isUnixAddress } from '../api/address.ts';
import { type Address, AddressSchema, SocketAddress_Protocol } from '../envoy/gen/envoy/config/core/v3/address_pb.js';
import { ApiVersion, type ConfigSource, ConfigSourceSchema } from '../envoy/gen/envoy/config/core/v3/config_source_pb.js';

/** Wraps a message of Envoy's API as a `typed_config`. */
export function pack<D extends DescMessage>(schema: D, init: MessageInitShape<D>): Any {
  return create(AnySchema, {
    typeUrl: `type.googleapis.com/${schema.typeName}`,
    value: toBinary(schema, create(schema, init)),
  });
}

/** A protobuf Duration. */
export function duration(milliseconds: number): Duration {
  const seconds = Math.floor(milliseconds / 1000);
  return create(DurationSchema, { seconds: BigInt(seconds), nanos: Math.round((milliseconds - seconds * 1000) * 1e6) });
}

/** An IP address and port, or a pipe for Istio's `unix:///path` (`unix://@name`: Linux's abstract namespace). */
export function address(host: string, port: number): Address {
  if (isUnixAddress(host)) {
    return create(AddressSchema, { address: { case: 'pipe', value: { path: host.slice('unix://'.length) } } });
  }
  return create(AddressSchema, {
    address: {
      case: 'socketAddress',
      value: { protocol: SocketAddress_Protocol.TCP, address: host, portSpecifier: { case: 'portValue', value: port } },
    },
  });
}

/** Resources come over the stream this one came over; Envoy waits for them without end rather than go on with none. */
export const fromAds: ConfigSource = create(ConfigSourceSchema, {
  configSourceSpecifier: { case: 'ads', value: {} },
  initialFetchTimeout: duration(0),
  resourceApiVersion: ApiVersion.V3,
});
