import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { aborted } from '../../runtime/abort.ts';
import { type Clock, systemClock } from '../../runtime/clock.ts';
import { type Logger, silentLogger } from '../../runtime/logger.ts';
import type { Runnable } from '../../runtime/runnable.ts';
import { LineReader } from './line-reader.ts';
import type { MergedPropagation } from './merged-propagation.ts';
import type { ReplicaCredential } from './replica-credential.ts';
import { checkReplicaLine, heartbeatMs, replicationPath, replicationProtocol, silenceMs } from './replica-line.ts';

export interface ReplicaHubOptions {
  readonly merged: MergedPropagation;
  /** What followers must show. */
  readonly credential: Pick<ReplicaCredential, 'refuse'>;
  /** Followers at once, at most. Default 64. */
  readonly maxReplicas?: number;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
  /** Default: nothing is logged. */
  readonly logger?: Logger;
}

interface Refusal {
  readonly code: number;
  readonly why: string;
}

const notLeading: Refusal = { code: 503, why: 'this replica is not the leader' };
const tooMany: Refusal = { code: 429, why: 'too many replicas are connected' };

/**
 * Takes the followers' streams of counts, while this replica leads; sends them away otherwise. Join {@link accept} to the status port
 * and add the hub to the manager (in `eachTerm`, or as it is).
 */
export class ReplicaHub implements Runnable {
  readonly name = 'replica hub';
  readonly group = 'leader';
  readonly #options: ReplicaHubOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #sockets = new Set<Duplex>();
  #isOpen = false;
  /** Connections whose token is being looked at. */
  #deciding = 0;

  constructor(options: ReplicaHubOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
  }

  /** As {@link Runnable.start}; may be started again. */
  async start(signal: AbortSignal): Promise<void> {
    this.#isOpen = !signal.aborted;
    await aborted(signal);
    this.#isOpen = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Answers an HTTP upgrade of the status port. Every socket it is given is its own from then on. */
  readonly accept = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on('error', () => socket.destroy());
    void this.#decide(request, socket, head);
  };

  async #decide(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const refusal = await this.#refusalOf(request);
    // It may have gone while its token was looked at.
    if (socket.destroyed) return;
    if (refusal) {
      const body = `${refusal.why}\n`;
      const head = `HTTP/1.1 ${refusal.code} ${STATUS_CODES[refusal.code]}\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(body)}`;
      socket.end(`${head}\r\ncontent-type: text/plain\r\n\r\n${body}`);
      return;
    }
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${replicationProtocol}\r\n\r\n`);
    this.#serve(socket, String(request.headers['x-weft-replica'] ?? '').slice(0, 256));
    if (head.length > 0) socket.unshift(head);
  }

  async #refusalOf({ url, headers }: IncomingMessage): Promise<Refusal | undefined> {
    const { credential, maxReplicas = 64 } = this.#options;
    if (url !== replicationPath) return { code: 404, why: `there is no ${url} to upgrade` };
    if (headers.upgrade !== replicationProtocol) return { code: 400, why: `this replica speaks ${replicationProtocol}` };
    if (!this.#isOpen) return notLeading;
    if (this.#deciding >= maxReplicas) return tooMany;
    this.#deciding++;
    try {
      const why = await credential.refuse((headers.authorization ?? '').replace(/^Bearer /, ''));
      if (why !== undefined) return { code: 401, why };
    } catch (error) {
      this.#logger.warn('A replica’s token could not be looked at', { error });
      return { code: 503, why: 'the token cannot be looked at now' };
    } finally {
      this.#deciding--;
    }
    if (!this.#isOpen) return notLeading;
    return this.#sockets.size >= maxReplicas ? tooMany : undefined;
  }

  #serve(socket: Duplex, replica: string): void {
    const counts = this.#options.merged.join();
    const reader = new LineReader();
    let reason = 'it ended the connection';
    let cancelSilence = () => {};
    let cancelBeat = () => {};
    const awaitWord = () => {
      cancelSilence();
      cancelSilence = this.#clock.setTimer(() => {
        reason = `nothing was heard of it for ${silenceMs / 1000} s`;
        socket.destroy();
      }, silenceMs);
    };
    const beat = () => {
      // One that does not read is not told more: what is not sent must not pile up.
      if (socket.writableLength === 0) socket.write('\n');
      cancelBeat = this.#clock.setTimer(beat, heartbeatMs);
    };
    this.#sockets.add(socket);
    socket.on('data', (piece: Buffer) => {
      awaitWord();
      try {
        for (const value of reader.push(piece)) counts.take(checkReplicaLine(value));
      } catch (error) {
        reason = `what it says is not understood: ${(error as Error).message}`;
        socket.destroy();
      }
    });
    socket.on('error', (error) => {
      reason = error.message;
    });
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      cancelSilence();
      cancelBeat();
      this.#sockets.delete(socket);
      counts.leave();
      if (this.#isOpen) this.#logger.warn('A replica is gone; its proxies are not counted', { replica, reason });
    });
    awaitWord();
    beat();
    this.#logger.info('A replica connected', { replica });
  }
}
