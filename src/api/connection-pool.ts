import Type from 'typebox';
import { durationProblem, parseDurationMs } from './duration.ts';
import type { Place } from './finding.ts';
import { duration, int32, record, stringEnum, uint32 } from './schema-term.ts';

const tcpSchema = record(
  {
    maxConnections: Type.Optional(int32({ description: 'Most connections to the destination. Defaults to no limit (2³² − 1).' })),
    connectTimeout: Type.Optional(duration({ description: 'How long connecting may take, at least 1ms. Defaults to 10s.' })),
    tcpKeepalive: Type.Optional(
      record(
        {
          probes: Type.Optional(
            uint32({ description: "Unanswered probes before a connection counts as dead. Defaults to the system's setting." }),
          ),
          time: Type.Optional(duration({ description: "Idle time before the first probe. Defaults to the system's setting." })),
          interval: Type.Optional(duration({ description: "Time between probes. Defaults to the system's setting." })),
        },
        { description: 'Turns SO_KEEPALIVE on.' },
      ),
    ),
    maxConnectionDuration: Type.Optional(
      duration({ description: 'How long a connection may live, at least 1ms. Defaults to no limit.' }),
    ),
    idleTimeout: Type.Optional(
      Type.String({ description: 'How long a connection may carry nothing; 0s turns the limit off. Defaults to 1h.' }),
    ),
  },
  { description: 'Settings of connections, HTTP ones included.' },
);

const httpSchema = record(
  {
    http1MaxPendingRequests: Type.Optional(
      int32({ description: 'Most requests waiting for a connection. Defaults to no limit (2³² − 1).' }),
    ),
    http2MaxRequests: Type.Optional(int32({ description: 'Most requests under way. Defaults to no limit (2³² − 1).' })),
    maxRequestsPerConnection: Type.Optional(
      int32({ description: 'Most requests on one connection; 1 turns keep-alive off. Defaults to 0, no limit.' }),
    ),
    maxRetries: Type.Optional(int32({ description: 'Most retries under way. Defaults to no limit (2³² − 1).' })),
    idleTimeout: Type.Optional(duration({ description: 'How long a connection may have no request. Defaults to 1h.' })),
    h2UpgradePolicy: Type.Optional(
      stringEnum(['DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE'], {
        description: "Whether HTTP/1.1 requests go on as HTTP/2. Defaults to the mesh's setting.",
      }),
    ),
    useClientProtocol: Type.Optional(
      Type.Boolean({ description: "Keeps the client's HTTP version towards the destination. Defaults to false." }),
    ),
    maxConcurrentStreams: Type.Optional(int32({ description: 'Most streams on one HTTP/2 connection. Defaults to 2³¹ − 1.' })),
    http2KeepAlive: Type.Optional(
      record(
        {
          interval: Type.Optional(duration({ description: 'Time between HTTP/2 pings. Required here.' })),
          timeout: Type.Optional(duration({ description: 'How long a ping may stay unanswered. Required here.' })),
        },
        { description: 'HTTP/2 pings on connections to the destination.' },
      ),
    ),
  },
  { description: 'Settings of HTTP requests.' },
);

/** Istio's `ConnectionPoolSettings`. */
export const connectionPoolSchema = record(
  { tcp: Type.Optional(tcpSchema), http: Type.Optional(httpSchema) },
  { description: 'Limits on connections and requests.' },
);

/** Limits on connections and requests; absent limits are none, see the schema for absent timeouts. */
export type ConnectionPoolSettings = Type.Static<typeof connectionPoolSchema>;

/** Istio's `validateConnectionPool`. */
export function checkConnectionPool(pool: ConnectionPoolSettings | undefined, place: Place): void {
  if (!pool) return;
  if (!pool.tcp && !pool.http) place.error('must have tcp or http settings');
  if (pool.tcp) checkTcp(pool.tcp, place.at('tcp'));
  if (pool.http) checkHttp(pool.http, place.at('http'));
}

function checkTcp(tcp: NonNullable<ConnectionPoolSettings['tcp']>, place: Place): void {
  checkCounts(tcp, ['maxConnections'], place);
  checkDurations(tcp, ['connectTimeout', 'maxConnectionDuration'], place);
  if (tcp.idleTimeout !== undefined && !isOff(tcp.idleTimeout)) place.at('idleTimeout').error(durationProblem(tcp.idleTimeout));
  if (tcp.tcpKeepalive) checkDurations(tcp.tcpKeepalive, ['time', 'interval'], place.at('tcpKeepalive'));
}

// Istio compares whole milliseconds, so anything shorter than one turns the timeout off as 0s does.
function isOff(text: string): boolean {
  const durationMs = parseDurationMs(text);
  return durationMs !== undefined && Math.trunc(durationMs) === 0;
}

function checkHttp(http: NonNullable<ConnectionPoolSettings['http']>, place: Place): void {
  checkCounts(
    http,
    ['http1MaxPendingRequests', 'http2MaxRequests', 'maxRequestsPerConnection', 'maxRetries', 'maxConcurrentStreams'],
    place,
  );
  checkDurations(http, ['idleTimeout'], place);
  if (http.h2UpgradePolicy === 'UPGRADE' && http.useClientProtocol) {
    place.at('useClientProtocol').error('must not be true while h2UpgradePolicy is UPGRADE: they contradict each other');
  }
  if (http.http2KeepAlive) {
    const keepAlive = place.at('http2KeepAlive');
    checkDurations(http.http2KeepAlive, ['interval', 'timeout'], keepAlive);
    for (const name of ['interval', 'timeout'] as const) {
      if (http.http2KeepAlive[name] === undefined) keepAlive.at(name).error('is required');
    }
  }
}

function checkCounts<Name extends string>(
  settings: { readonly [K in Name]?: number },
  names: readonly Name[],
  place: Place,
): void {
  for (const name of names) {
    const value = settings[name] ?? 0;
    if (value < 0) place.at(name).error(`must not be negative, found ${value}`);
  }
}

function checkDurations<Name extends string>(
  settings: { readonly [K in Name]?: string },
  names: readonly Name[],
  place: Place,
): void {
  for (const name of names) {
    const value = settings[name];
    if (value !== undefined) place.at(name).error(durationProblem(value));
  }
}
