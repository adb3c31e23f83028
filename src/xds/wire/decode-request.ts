import { fromBinary } from '@bufbuild/protobuf';
import type { Node } from '../../envoy/gen/envoy/config/core/v3/base_pb.js';
import { DeltaDiscoveryRequestSchema, DiscoveryRequestSchema } from '../../envoy/gen/envoy/service/discovery/v3/discovery_pb.js';
import type { Variant } from './encode-response.ts';
import { invalidArgument } from './stream-error.ts';

/** How a request changes what its sender is subscribed to. */
export type SubscriptionUpdate =
  /** State of the world: these names and no others. */
  | { readonly kind: 'replace'; readonly names: readonly string[] }
  /** Incremental: these more, those no longer. */
  | { readonly kind: 'patch'; readonly subscribe: readonly string[]; readonly unsubscribe: readonly string[] };

/** A discovery request of either variant. */
export interface DiscoveryRequest {
  readonly typeUrl: string;
  readonly node?: Node;
  /** The response that this acknowledges or refuses; empty: none. */
  readonly nonce: string;
  /** Present in a NACK. */
  readonly error?: { readonly code: number; readonly message: string };
  readonly update: SubscriptionUpdate;
  /** What the client holds from an earlier stream, version by name; incremental only. */
  readonly initialVersions: ReadonlyMap<string, string>;
}

/** Envoy cuts its messages at 4,096 characters; from others no more is read than this. */
const maxErrorLength = 8192;

const decodeOptions = { readUnknownFields: false };
const noVersions: ReadonlyMap<string, string> = new Map();

/** Reads one message of a stream. Throws {@link invalidArgument} on bytes that are no request. */
export function decodeRequest(variant: Variant, bytes: Uint8Array): DiscoveryRequest {
  try {
    return variant === 'delta' ? decodeDelta(bytes) : decodeSotw(bytes);
  } catch (error) {
    const message = variant === 'delta' ? 'DeltaDiscoveryRequest' : 'DiscoveryRequest';
    const why = error instanceof Error ? error.message : String(error);
    throw invalidArgument(`the message is not an envoy.service.discovery.v3.${message}: ${why}`);
  }
}

function decodeSotw(bytes: Uint8Array): DiscoveryRequest {
  const request = fromBinary(DiscoveryRequestSchema, bytes, decodeOptions);
  return {
    typeUrl: request.typeUrl,
    node: request.node,
    nonce: request.responseNonce,
    error: readError(request.errorDetail),
    update: { kind: 'replace', names: request.resourceNames },
    initialVersions: noVersions,
  };
}

function decodeDelta(bytes: Uint8Array): DiscoveryRequest {
  const request = fromBinary(DeltaDiscoveryRequestSchema, bytes, decodeOptions);
  const { resourceNamesSubscribe: subscribe, resourceNamesUnsubscribe: unsubscribe } = request;
  return {
    typeUrl: request.typeUrl,
    node: request.node,
    nonce: request.responseNonce,
    error: readError(request.errorDetail),
    update: { kind: 'patch', subscribe, unsubscribe },
    initialVersions: new Map(Object.entries(request.initialResourceVersions)),
  };
}

function readError(detail: { code: number; message: string } | undefined): DiscoveryRequest['error'] {
  return detail && { code: detail.code, message: detail.message.slice(0, maxErrorLength) };
}
