import type { Duplex } from 'node:stream';
import type { Mesh } from '../../mesh/mesh.ts';
import { sleep } from '../../runtime/abort.ts';
import { Backoff } from '../../runtime/client/backoff.ts';
import { type Clock, systemClock } from '../../runtime/clock.ts';
import { type Logger, silentLogger } from '../../runtime/logger.ts';
import type { Runnable } from '../../runtime/runnable.ts';
import type { Ledger } from '../../xds/ledger.ts';
import { connectToLeader, type FollowerTls } from './connect-to-leader.ts';
import { DepartedObjects } from './departed-objects.ts';
import { LocalCounts } from './local-counts.ts';
import type { ReplicaCredential } from './replica-credential.ts';
import { addressOfIdentity } from './replica-identity.ts';
import { heartbeatMs, silenceMs } from './replica-line.ts';

export interface FollowerOptions {
  readonly mesh: Mesh;
  readonly ledger: Pick<Ledger, 'propagation' | 'onDirty'>;
  /** This replica's own, as the lease would name it; made by `replicaIdentity`. */
  readonly identity: string;
  /** The identity that holds the lease, as last seen; undefined: nobody's. */
  readonly leader: () => string | undefined;
  /** What this replica shows. */
  readonly credential: Pick<ReplicaCredential, 'present'>;
  /** Default: plain HTTP, which is refused beyond loopback. */
  readonly tls?: FollowerTls | undefined;
  /** Send the token in the clear over a network, too. Default false. */
  readonly allowPlaintext?: boolean | undefined;
  /** How often the lease's holder is asked for, in milliseconds. Default 500. */
  readonly pollMs?: number;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
  /** Default: nothing is logged. */
  readonly logger?: Logger;
}

/** Lines in one write to the socket, at most: between two batches the event loop is free for proxies. */
const batchLines = 200;

/** Streams this replica's counts to whoever holds the lease, and follows the lease. Idle while this replica holds it itself. */
export class Follower implements Runnable {
  readonly name = 'replication to the leader';
  readonly group = 'everyReplica';
  readonly #options: FollowerOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #problem = '';

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
  }

  /** As {@link Runnable.start}. Never rejects: what fails is logged once and tried again. */
  async start(signal: AbortSignal): Promise<void> {
    const { identity, leader, pollMs = 500 } = this.#options;
    const backoff = new Backoff({ baseMs: 200, maxMs: 5_000 });
    const departed = new DepartedObjects(this.#options.mesh, this.#options.ledger);
    while (!signal.aborted) {
      const holder = leader();
      const address = holder === undefined || holder === identity ? undefined : addressOfIdentity(holder);
      if (holder !== undefined && holder !== identity && address === undefined) {
        this.#tell(`the lease's holder "${holder}" does not say where it can be reached`);
      }
      if (address === undefined) {
        await sleep(this.#clock, pollMs, signal);
        continue;
      }
      try {
        const { credential, tls, allowPlaintext } = this.#options;
        const token = await credential.present();
        const connection = { address, identity, token, tls, allowPlaintext };
        const socket = await this.#whileLeading(holder!, signal, (held) => connectToLeader({ ...connection, signal: held }));
        backoff.reset();
        this.#problem = '';
        await this.#stream(socket, holder!, departed, signal);
      } catch (error) {
        if (!signal.aborted) {
          const why = error instanceof Error ? error.message : String(error);
          this.#tell(`the leader at ${address} cannot be reached: ${why}`);
        }
      }
      await this.#rest(backoff.next(), holder!, signal);
      if (leader() !== holder) backoff.reset();
    }
    departed.close();
  }

  /** Calls `action` with a signal that aborts when another replica leads: the address of one that is gone may swallow what is sent to it. */
  async #whileLeading<T>(holder: string, signal: AbortSignal, action: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { leader, pollMs = 500 } = this.#options;
    const superseded = new AbortController();
    const look = () => {
      if (leader() === holder) cancel = this.#clock.setTimer(look, pollMs);
      else superseded.abort(new Error('another replica leads'));
    };
    let cancel = this.#clock.setTimer(look, pollMs);
    try {
      return await action(AbortSignal.any([signal, superseded.signal]));
    } finally {
      cancel();
    }
  }

  #tell(problem: string): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.#logger.warn('The proxies of this replica are not counted at the leader', { problem });
  }

  /** Waits before the next try, or until another replica leads. */
  async #rest(waitMs: number, holder: string, signal: AbortSignal): Promise<void> {
    const { leader, pollMs = 500 } = this.#options;
    const untilMs = this.#clock.monotonicMs() + waitMs;
    for (let leftMs = waitMs; leftMs > 0 && !signal.aborted; leftMs = untilMs - this.#clock.monotonicMs()) {
      await sleep(this.#clock, Math.min(leftMs, pollMs), signal);
      if (leader() !== holder) return;
    }
  }

  /** Sends counts until the connection ends, the leader falls silent, another one leads, or the signal aborts. */
  #stream(socket: Duplex, holder: string, departed: DepartedObjects, signal: AbortSignal): Promise<void> {
    const { mesh, ledger, leader, pollMs = 500 } = this.#options;
    const clock = this.#clock;
    return new Promise((resolve) => {
      let isSynced = false;
      let isFull = false;
      let cancelPump: (() => void) | undefined;
      let cancelBeat = () => {};
      let cancelPoll = () => {};
      let cancelSilence = () => {};
      const pumpSoon = () => {
        if (!isFull) cancelPump ??= clock.setTimer(pump, 0);
      };
      const counts = new LocalCounts({ mesh, ledger, departed, clock }, pumpSoon);
      const send = (lines: readonly object[]) => {
        isFull = !socket.write(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
        if (!isFull) pumpSoon();
      };
      const pump = () => {
        cancelPump = undefined;
        const lines: object[] = [];
        for (let line = counts.take(); line; line = counts.take()) {
          lines.push(line);
          if (lines.length >= batchLines) return send(lines);
        }
        if (!isSynced) {
          isSynced = true;
          lines.push({ type: 'synced' });
        }
        if (lines.length > 0) send(lines);
      };
      const beat = () => {
        if (!isFull) socket.write('\n');
        cancelBeat = clock.setTimer(beat, heartbeatMs);
      };
      const poll = () => {
        if (leader() !== holder) socket.destroy();
        cancelPoll = clock.setTimer(poll, pollMs);
      };
      const awaitWord = () => {
        cancelSilence();
        cancelSilence = clock.setTimer(() => socket.destroy(), silenceMs);
      };
      const onAbort = () => socket.destroy();
      signal.addEventListener('abort', onAbort, { once: true });
      socket.on('data', awaitWord);
      socket.on('drain', () => {
        isFull = false;
        pumpSoon();
      });
      socket.on('error', () => socket.destroy());
      socket.on('end', () => socket.destroy());
      socket.on('close', () => {
        for (const cancel of [cancelBeat, cancelPoll, cancelSilence, () => cancelPump?.()]) cancel();
        // Whatever is told after this is for the next connection, which begins anew.
        isFull = true;
        counts.close();
        signal.removeEventListener('abort', onAbort);
        resolve();
      });
      if (signal.aborted) onAbort();
      beat();
      poll();
      awaitWord();
      pumpSoon();
    });
  }
}
