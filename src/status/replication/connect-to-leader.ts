import http from 'node:http';
import https from 'node:https';
import type { Duplex } from 'node:stream';
import { replicationPath, replicationProtocol, silenceMs } from './replica-line.ts';

/** How a follower knows that it speaks to a replica, and keeps its token from whoever listens in. */
export interface FollowerTls {
  /** PEM of the authorities that may have signed the leader's certificate; asked at each connection. Rejects if there is none. */
  readonly readCa: () => Promise<string>;
  /** The name that the certificate must carry. Default: the host of the leader's address. */
  readonly serverName?: string;
}

export interface LeaderConnection {
  /** `host:port`, IPv6 in brackets. */
  readonly address: string;
  /** Of this replica. */
  readonly identity: string;
  /** What this replica shows. */
  readonly token: string;
  /** Absent: plain HTTP, which is refused beyond loopback. */
  readonly tls?: FollowerTls | undefined;
  /** Send the token in the clear over a network, too. Default false. */
  readonly allowPlaintext?: boolean | undefined;
  readonly signal: AbortSignal;
}

/** Opens the stream to the leader. Rejects with a reason for a person: it cannot be reached, is not trusted, or refuses. */
export async function connectToLeader(connection: LeaderConnection): Promise<Duplex> {
  const { address, identity, token, tls, allowPlaintext = false, signal } = connection;
  const url = new URL(`${tls ? 'https' : 'http'}://${address}${replicationPath}`);
  if (!tls && !allowPlaintext && !isLoopback(url.hostname)) throw new Error(plaintextRefusal);
  const trust = tls && { ca: await tls.readCa(), minVersion: 'TLSv1.2' as const, servername: tls.serverName };
  return new Promise((resolve, reject) => {
    const call = (tls ? https : http).request(url, {
      ...trust,
      agent: false,
      timeout: silenceMs,
      signal,
      headers: {
        connection: 'upgrade',
        upgrade: replicationProtocol,
        authorization: `Bearer ${token}`,
        'x-weft-replica': identity,
      },
    });
    call.on('upgrade', (_response, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    call.on('response', (response) => {
      response.resume();
      reject(new Error(`it answers ${response.statusCode} ${response.statusMessage}`));
    });
    call.on('timeout', () => call.destroy(new Error('no answer')));
    call.on('error', reject);
    call.end();
  });
}

/** Why a token does not leave the machine without TLS, and what to do. */
export const plaintextRefusal =
  'the token would cross the network readable for others: give --replica-tls-cert, --replica-tls-key and --replica-tls-ca, or --replica-allow-plaintext where the network itself encrypts';

/** Whether a host is this machine itself; brackets around IPv6 do not matter. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '');
  return bare === 'localhost' || bare === '::1' || /^127\.\d+\.\d+\.\d+$/.test(bare);
}
