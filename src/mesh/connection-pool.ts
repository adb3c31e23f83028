/** Istio's `connectionPool`, compiled: durations in milliseconds, and what says 'no limit' left out. Immutable. */
export interface ConnectionPool {
  readonly maxConnections?: number;
  readonly connectTimeoutMs?: number;
  /** Present: SO_KEEPALIVE is on; what it does not say is the system's. */
  readonly tcpKeepalive?: { readonly probes?: number; readonly timeSeconds?: number; readonly intervalSeconds?: number };
  readonly maxConnectionDurationMs?: number;
  /** How long a connection may carry nothing; 0: without end. */
  readonly tcpIdleTimeoutMs?: number;
  /** Requests that wait for a connection. */
  readonly maxPendingRequests?: number;
  /** Requests under way. */
  readonly maxRequests?: number;
  readonly maxRequestsPerConnection?: number;
  readonly maxRetries?: number;
  /** How long an HTTP connection may have no request. */
  readonly httpIdleTimeoutMs?: number;
  /** The upstream is spoken to in the HTTP version of the client. */
  readonly usesClientProtocol?: boolean;
  /** Of one HTTP/2 connection. */
  readonly maxConcurrentStreams?: number;
  /** HTTP/2 pings. */
  readonly http2KeepAlive?: { readonly intervalMs: number; readonly timeoutMs: number };
}
