import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Registry } from 'prom-client';
import { callWithin, sleep } from '../abort.ts';
import { type Clock, systemClock } from '../clock.ts';
import { type Logger, silentLogger } from '../logger.ts';
import { microTime } from '../micro-time.ts';
import { createLeaderMetrics, type LeaderMetrics, noLeaderMetrics } from './leader-metrics.ts';
import { type Lease, type LeaseApi, type LeaseSpec, leaseKind } from './lease.ts';

export interface LeaderElectorOptions {
  readonly api: LeaseApi;
  /** Of the Lease. */
  readonly namespace: string;
  /** Of the Lease; also its name in metrics. */
  readonly name: string;
  /** Distinct for each candidate. Default: host name and a random UUID. */
  readonly identity?: string;
  /** How long others wait, from the last change that they saw themselves, before they take the lease. Default 15 s. */
  readonly leaseDurationMs?: number;
  /** The leader gives up if its last renewal was begun this long ago. Default 10 s; must be less than the lease's duration. */
  readonly renewDeadlineMs?: number;
  /** Between two tries, of a candidate (with jitter) and of the leader. Default 2 s. */
  readonly retryPeriodMs?: number;
  /** Set on the Lease besides those that it has. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
  /** Default: nothing is logged. */
  readonly logger?: Logger;
  /** Where metrics are registered. Default: none are kept. */
  readonly registry?: Registry;
  /** A number from 0 to below 1, for the jitter. Default: `Math.random`. */
  readonly random?: () => number;
}

/** Whom a {@link LeaderElector} tells. */
export interface LeaderCallbacks {
  /** Called when the lease is won. The signal aborts when it is lost, and when the election is told to stop. */
  readonly onStartedLeading: (leading: AbortSignal) => void;
  /** Called when another holder is seen for the first time, oneself included. */
  readonly onNewLeader?: (identity: string) => void;
}

/** How {@link LeaderElector.run} ended: told to, or by losing the lease. */
export type TermEnd = { readonly type: 'stopped' } | { readonly type: 'lost'; readonly error: LeaderElectionLostError };

/** This process may not act as the leader any longer. */
export class LeaderElectionLostError extends Error {
  override readonly name = 'LeaderElectionLostError';
}

/** A candidate waits up to this many retry periods longer than one, so that candidates do not move in step. client-go's. */
const jitterFactor = 1.2;

/** Tries to give the lease back, the first of which may meet a renewal that was cut off but arrived. */
const releaseTries = 3;

/**
 * One candidate for a Lease, after client-go's rules: a lease is taken when its record has not changed for its own duration on the
 * candidate's own clock, so clocks of different machines may differ as they like, as long as they run about equally fast.
 * Stricter than client-go in one thing: the deadline counts from the start of the last successful renewal, whatever hangs since.
 */
export class LeaderElector {
  readonly identity: string;
  readonly #options: LeaderElectorOptions;
  readonly #leaseDurationMs: number;
  readonly #renewDeadlineMs: number;
  readonly #retryPeriodMs: number;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #metrics: LeaderMetrics;
  /** As last read or written. */
  #lease: Lease | undefined;
  /** When the record was last seen to change, on the monotonic clock. */
  #observedMs = 0;
  #reportedLeader = '';
  /** While leading: until when, on the monotonic clock. */
  #leadsUntilMs: number | undefined;

  constructor(options: LeaderElectorOptions) {
    const { clock = systemClock, logger = silentLogger, registry, namespace, name } = options;
    this.#options = options;
    this.identity = options.identity ?? `${hostname()}_${randomUUID()}`;
    this.#leaseDurationMs = options.leaseDurationMs ?? 15_000;
    this.#renewDeadlineMs = options.renewDeadlineMs ?? 10_000;
    this.#retryPeriodMs = options.retryPeriodMs ?? 2_000;
    this.#clock = clock;
    this.#logger = logger.child({ lease: `${namespace}/${name}`, identity: this.identity });
    this.#check();
    this.#metrics = registry ? createLeaderMetrics(registry, name) : noLeaderMetrics;
  }

  /** The holder last seen; undefined before the first look and while nobody holds the lease. */
  get leader(): string | undefined {
    return this.#lease?.spec?.holderIdentity || undefined;
  }

  /**
   * Whether this candidate may act as the leader at this moment. By the clock and not by an event: right even in a process that
   * was stopped and has just woken up. Ask before a write that only the leader may do.
   */
  get isLeading(): boolean {
    return this.#leadsUntilMs !== undefined && this.#clock.monotonicMs() < this.#leadsUntilMs;
  }

  /** How long after {@link LeaderCallbacks.onStartedLeading}'s signal nobody else can lead yet, in milliseconds. */
  get standDownMs(): number {
    return this.#leaseDurationMs - this.#renewDeadlineMs;
  }

  /** How long after a change of the leader the slowest candidate looks at the Lease, in milliseconds; its requests come on top. */
  get lookIntervalMs(): number {
    return this.#retryPeriodMs * (1 + jitterFactor);
  }

  /** Campaigns, leads for one term and resolves at its end. Keeps the lease when told to stop: {@link release} gives it back. */
  async run(signal: AbortSignal, callbacks: LeaderCallbacks): Promise<TermEnd> {
    this.#logger.info('Attempting to acquire the leader lease');
    const leading = new AbortController();
    const onStop = () => leading.abort(signal.reason);
    signal.addEventListener('abort', onStop, { once: true });
    try {
      if (!(await this.#acquire(signal, callbacks))) return { type: 'stopped' };
      this.#metrics.leading(true);
      this.#logger.info('Became leader');
      callbacks.onStartedLeading(leading.signal);
      const error = await this.#renew(signal, callbacks);
      if (!error) return { type: 'stopped' };
      this.#logger.warn('Stopped leading', { error });
      leading.abort(error);
      return { type: 'lost', error };
    } finally {
      signal.removeEventListener('abort', onStop);
      this.#leadsUntilMs = undefined;
      this.#metrics.leading(false);
    }
  }

  /**
   * Gives the lease back so that another candidate need not wait for its end; only after everything that leads has ended.
   * Resolves to whether it is now free or another's, within half of the renew deadline. Never rejects: the lease ends by itself.
   */
  async release(): Promise<boolean> {
    if (this.leader !== this.identity) return true;
    const limit = new AbortController();
    const cancel = this.#clock.setTimer(() => limit.abort(new Error('it took too long')), this.#requestLimitMs);
    try {
      for (let left = releaseTries; left > 0 && !limit.signal.aborted; left--) {
        try {
          return await this.#tryRelease(limit.signal);
        } catch (error) {
          this.#logger.warn('Releasing the leader lease failed', { error });
        }
      }
      return false;
    } finally {
      cancel();
    }
  }

  async #tryRelease(signal: AbortSignal): Promise<true> {
    const { api } = this.#options;
    const lease = await this.#call('read', signal, (limit) => api.get(this.#namespace, this.#name, limit));
    if (lease?.spec?.holderIdentity !== this.identity) return true;
    const now = microTime(this.#clock.now());
    const spec = { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1, acquireTime: now, renewTime: now };
    this.#observe(await this.#call('release', signal, (limit) => api.update({ ...lease, spec }, limit)));
    this.#logger.info('Released the leader lease');
    return true;
  }

  /** One hanging request must not cost the lease, so each is given half of the deadline, at least a second. As controller-runtime. */
  get #requestLimitMs(): number {
    return Math.max(1_000, this.#renewDeadlineMs / 2);
  }

  get #namespace(): string {
    return this.#options.namespace;
  }

  get #name(): string {
    return this.#options.name;
  }

  #check(): void {
    const lease = `leader election on ${this.#namespace}/${this.#name}`;
    if (this.identity === '') throw new Error(`${lease}: the identity is empty; leave it out to have one made`);
    if (!(this.#retryPeriodMs > 0)) throw new Error(`${lease}: retryPeriodMs must be above 0, is ${this.#retryPeriodMs}`);
    if (!(this.#leaseDurationMs > this.#renewDeadlineMs))
      throw new Error(
        `${lease}: leaseDurationMs ${this.#leaseDurationMs} must be above renewDeadlineMs ${this.#renewDeadlineMs}`,
      );
    if (!(this.#renewDeadlineMs > this.#retryPeriodMs * jitterFactor))
      throw new Error(
        `${lease}: renewDeadlineMs ${this.#renewDeadlineMs} must be above ${jitterFactor} times retryPeriodMs ${this.#retryPeriodMs}`,
      );
  }

  /** Resolves to false if the signal aborted before the lease was won. */
  async #acquire(signal: AbortSignal, callbacks: LeaderCallbacks): Promise<boolean> {
    const { random = Math.random } = this.#options;
    while (!signal.aborted) {
      const won = await this.#tryAcquireOrRenew(signal);
      this.#reportLeader(callbacks);
      // What was won while the stop came is kept by the record and given back by release().
      if (won && !signal.aborted) return true;
      await sleep(this.#clock, this.#retryPeriodMs * (1 + random() * jitterFactor), signal);
    }
    return false;
  }

  /** Renews until told to stop (undefined) or until the lease must be taken for lost. */
  async #renew(signal: AbortSignal, callbacks: LeaderCallbacks): Promise<LeaderElectionLostError | undefined> {
    while (!signal.aborted) {
      const leftMs = this.#leadsUntilMs! - this.#clock.monotonicMs();
      if (leftMs <= 0) return new LeaderElectionLostError(`not renewed within ${this.#renewDeadlineMs} ms`);
      await sleep(this.#clock, Math.min(this.#retryPeriodMs, leftMs), signal);
      if (signal.aborted || !this.isLeading) continue;
      const untilDeadline = new AbortController();
      const cancel = this.#clock.setTimer(() => untilDeadline.abort(), this.#leadsUntilMs! - this.#clock.monotonicMs());
      const onStop = () => untilDeadline.abort(signal.reason);
      signal.addEventListener('abort', onStop, { once: true });
      await this.#tryAcquireOrRenew(untilDeadline.signal);
      signal.removeEventListener('abort', onStop);
      cancel();
      this.#reportLeader(callbacks);
      if (this.leader !== this.identity) return new LeaderElectionLostError(`the lease was taken by ${this.leader ?? 'nobody'}`);
    }
    return undefined;
  }

  /** Resolves to whether this candidate holds the lease now. Never rejects. */
  async #tryAcquireOrRenew(signal: AbortSignal): Promise<boolean> {
    try {
      return await this.#tryUpdate(signal);
    } catch (error) {
      if (!signal.aborted) this.#logger.warn('Acquiring or renewing the leader lease failed', { error });
      return false;
    }
  }

  async #tryUpdate(signal: AbortSignal): Promise<boolean> {
    const { api } = this.#options;
    if (this.#lease && this.leader === this.identity && this.#isValid()) {
      try {
        const renewed = this.#withSpec(this.#lease);
        await this.#write('renew', signal, (limit) => api.update(renewed, limit));
        return true;
      } catch (error) {
        if (signal.aborted) throw error;
        this.#logger.debug('Renewing the leader lease as last seen failed, reading it again', { error });
        this.#metrics.slowPath();
      }
    }
    const lease = await this.#call('read', signal, (limit) => api.get(this.#namespace, this.#name, limit));
    if (!lease) {
      const created = this.#withSpec({
        apiVersion: `${leaseKind.group}/${leaseKind.version}`,
        kind: leaseKind.kind,
        metadata: { namespace: this.#namespace, name: this.#name },
      });
      await this.#write('create', signal, (limit) => api.create(created, limit));
      return true;
    }
    if (!sameRecord(lease.spec, this.#lease?.spec)) this.#observe(lease);
    const holder = lease.spec?.holderIdentity ?? '';
    if (holder !== '' && holder !== this.identity && this.#isValid()) return false;
    await this.#write('take', signal, (limit) => api.update(this.#withSpec(lease), limit));
    return true;
  }

  /** Whoever holds the lease by this write may lead for the renew deadline, counted from before the write was sent. */
  async #write(what: string, signal: AbortSignal, write: (signal: AbortSignal) => Promise<Lease>): Promise<void> {
    const startedMs = this.#clock.monotonicMs();
    this.#observe(await this.#call(what, signal, write));
    this.#leadsUntilMs = startedMs + this.#renewDeadlineMs;
  }

  /** The lease as this candidate would hold it. */
  #withSpec(lease: Lease): Lease {
    const now = microTime(this.#clock.now());
    const renews = lease.spec?.holderIdentity === this.identity;
    const transitions = lease.spec?.leaseTransitions ?? 0;
    const labels = this.#options.labels ? { ...lease.metadata.labels, ...this.#options.labels } : lease.metadata.labels;
    return {
      ...lease,
      metadata: labels ? { ...lease.metadata, labels } : lease.metadata,
      spec: {
        ...lease.spec,
        holderIdentity: this.identity,
        leaseDurationSeconds: Math.ceil(this.#leaseDurationMs / 1000),
        acquireTime: renews ? (lease.spec?.acquireTime ?? now) : now,
        renewTime: now,
        leaseTransitions: renews || !lease.spec ? transitions : transitions + 1,
      },
    };
  }

  #observe(lease: Lease): void {
    this.#lease = lease;
    this.#observedMs = this.#clock.monotonicMs();
  }

  #isValid(): boolean {
    return this.#clock.monotonicMs() < this.#observedMs + (this.#lease?.spec?.leaseDurationSeconds ?? 0) * 1000;
  }

  #call<T>(what: string, parent: AbortSignal, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const limitMs = Math.max(1_000, this.#renewDeadlineMs / 2);
    return callWithin({ clock: this.#clock, limitMs, parent, what: `${what} Lease ${this.#namespace}/${this.#name}` }, call);
  }

  #reportLeader({ onNewLeader }: LeaderCallbacks): void {
    const leader = this.leader ?? '';
    if (leader === this.#reportedLeader) return;
    this.#reportedLeader = leader;
    if (leader === '') return;
    this.#logger.info('New leader', { leader });
    onNewLeader?.(leader);
  }
}

const recordFields = ['holderIdentity', 'leaseDurationSeconds', 'acquireTime', 'renewTime', 'leaseTransitions'] as const;

function sameRecord(a: LeaseSpec | undefined, b: LeaseSpec | undefined): boolean {
  if (!a || !b) return a === b;
  return recordFields.every((field) => a[field] === b[field]);
}
