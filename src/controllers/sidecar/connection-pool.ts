import type { ConnectionPoolSettings } from '../../api/connection-pool.ts';
import { parseDurationMs } from '../../api/duration.ts';
import type { ConnectionPool } from '../../mesh/connection-pool.ts';
import type { DeepReadonly } from '../../runtime/object.ts';

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** A connection pool as the mesh reads it. A count of 0 is none, as in Istio, which cannot tell it from an absent one. */
export function compileConnectionPool({ tcp = {}, http = {} }: DeepReadonly<ConnectionPoolSettings>): ConnectionPool {
  const { maxConnections, connectTimeout, tcpKeepalive, maxConnectionDuration, idleTimeout } = tcp;
  const { http2KeepAlive } = http;
  const pool: Mutable<ConnectionPool> = {
    ...(maxConnections ? { maxConnections } : {}),
    ...(http.http1MaxPendingRequests ? { maxPendingRequests: http.http1MaxPendingRequests } : {}),
    ...(http.http2MaxRequests ? { maxRequests: http.http2MaxRequests } : {}),
    ...(http.maxRequestsPerConnection ? { maxRequestsPerConnection: http.maxRequestsPerConnection } : {}),
    ...(http.maxRetries ? { maxRetries: http.maxRetries } : {}),
    ...(http.maxConcurrentStreams ? { maxConcurrentStreams: http.maxConcurrentStreams } : {}),
    ...(http.useClientProtocol ? { usesClientProtocol: true } : {}),
  };
  if (connectTimeout !== undefined) pool.connectTimeoutMs = milliseconds(connectTimeout);
  if (maxConnectionDuration !== undefined) pool.maxConnectionDurationMs = milliseconds(maxConnectionDuration);
  if (idleTimeout !== undefined) pool.tcpIdleTimeoutMs = milliseconds(idleTimeout);
  if (http.idleTimeout !== undefined) pool.httpIdleTimeoutMs = milliseconds(http.idleTimeout);
  if (http2KeepAlive?.interval !== undefined && http2KeepAlive.timeout !== undefined) {
    pool.http2KeepAlive = { intervalMs: milliseconds(http2KeepAlive.interval), timeoutMs: milliseconds(http2KeepAlive.timeout) };
  }
  if (tcpKeepalive) {
    const { probes, time, interval } = tcpKeepalive;
    pool.tcpKeepalive = {
      ...(probes ? { probes } : {}),
      ...(time === undefined ? {} : { timeSeconds: seconds(time) }),
      ...(interval === undefined ? {} : { intervalSeconds: seconds(interval) }),
    };
  }
  return pool;
}

/** Whole milliseconds: what is shorter turns a limit off where validation lets it pass (Istio's rule). */
function milliseconds(text: string): number {
  return Math.trunc((parseDurationMs(text) ?? 0) + 1e-6);
}

/** Sockets count in seconds, and refuse 0. */
function seconds(text: string): number {
  return Math.max(1, Math.trunc(milliseconds(text) / 1000));
}
