import type { ServiceDefinition } from '@grpc/grpc-js';
import type { Variant } from './wire/encode-response.ts';

const service = '/envoy.service.discovery.v3.AggregatedDiscoveryService';
const raw = (message: Buffer) => message;

function method(name: string) {
  return {
    path: `${service}/${name}`,
    requestStream: true,
    responseStream: true,
    requestSerialize: raw,
    requestDeserialize: raw,
    responseSerialize: raw,
    responseDeserialize: raw,
  };
}

/** The aggregated discovery service, with messages left as bytes: framing is Weft's own, and a bad message is no transport error. */
export const adsService = {
  StreamAggregatedResources: method('StreamAggregatedResources'),
  DeltaAggregatedResources: method('DeltaAggregatedResources'),
} satisfies ServiceDefinition;

/** The path that each variant is spoken on. */
export const adsPaths: Readonly<Record<Variant, string>> = {
  sotw: adsService.StreamAggregatedResources.path,
  delta: adsService.DeltaAggregatedResources.path,
};
