import type { ServerOptions } from '@grpc/grpc-js';
import type { PushQueueOptions } from './push-queue.ts';
import type { SessionOptions } from './session/proxy-session.ts';

/** Everything about the xDS server that can be set; each has a default in {@link defaultXdsOptions}. */
export interface XdsOptions extends SessionOptions, PushQueueOptions {
  /** The longest request accepted, bytes; a proxy that holds much sends long ones when it reconnects. Default 8 MiB. */
  readonly maxRequestBytes: number;
  /** The largest node accepted, bytes. Default 256 KiB. */
  readonly maxNodeBytes: number;
  /** How long a stream may take to say whose it is and to be let in, milliseconds. Default 30,000. */
  readonly admissionTimeoutMs: number;
  /** Streams per connection; a proxy needs one. Default 100,000 as Istio's ISTIO_GPRC_MAXSTREAMS. */
  readonly maxConcurrentStreams: number;
  /** A silent connection is pinged after this, milliseconds. Default 30,000 as Istio's keepaliveInterval. */
  readonly keepaliveTimeMs: number;
  /** A ping unanswered for this ends the connection, milliseconds. Default 10,000 as Istio's keepaliveTimeout. */
  readonly keepaliveTimeoutMs: number;
  /** Connections are asked to come back after this, milliseconds, so that replicas share the load again. Default: never. */
  readonly maxConnectionAgeMs?: number;
}

export const defaultXdsOptions: XdsOptions = {
  maxNames: 100_000,
  isolationLimit: 64,
  gateTimeoutMs: 1000,
  identifier: 'weft',
  debounceAfterMs: 100,
  debounceMaxMs: 10_000,
  sliceMs: 5,
  maxRequestBytes: 8 * 1024 * 1024,
  maxNodeBytes: 256 * 1024,
  admissionTimeoutMs: 30_000,
  maxConcurrentStreams: 100_000,
  keepaliveTimeMs: 30_000,
  keepaliveTimeoutMs: 10_000,
};

/** The same in grpc-js's words. */
export function grpcOptions(options: XdsOptions): ServerOptions {
  return {
    'grpc.max_receive_message_length': options.maxRequestBytes,
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': options.maxConcurrentStreams,
    'grpc.keepalive_time_ms': options.keepaliveTimeMs,
    'grpc.keepalive_timeout_ms': options.keepaliveTimeoutMs,
    ...(options.maxConnectionAgeMs === undefined ? {} : { 'grpc.max_connection_age_ms': options.maxConnectionAgeMs }),
  };
}
