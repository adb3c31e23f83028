import { collectDefaultMetrics, Registry } from 'prom-client';
import { aborted } from '../abort.ts';
import { Cache } from '../cache/cache.ts';
import { informerSource } from '../cache/informer-source.ts';
import { Reflector } from '../cache/reflector.ts';
import type { ReflectedKind } from '../cache/reflector-options.ts';
import { Client } from '../client/client.ts';
import { RestClient } from '../client/rest-client.ts';
import { type Clock, systemClock } from '../clock.ts';
import { Controller } from '../controller.ts';
import { clientLeaseApi } from '../leader-election/client-lease-api.ts';
import { LeaderElector } from '../leader-election/leader-elector.ts';
import { createLogger } from '../logger.ts';
import type { KubernetesObject } from '../object.ts';
import type { ResourceKind } from '../resource-kind.ts';
import type { Runnable, RunnableGroupName } from '../runnable.ts';
import type { Source } from '../source.ts';
import { Endpoints } from './endpoints.ts';
import type { HealthCheck } from './health-checks.ts';
import type { HttpAnswerer } from './http-listener.ts';
import { loadKubeConfig } from './kube-config.ts';
import { Leadership } from './leadership.ts';
import type { ManagerOptions } from './manager-options.ts';
import { OperatorShell } from './operator-shell.ts';
import { RunnableGroup } from './runnable-group.ts';

/** In the order of the start. The leader's group starts with the election, so it is not waited for. */
const startOrder = ['server', 'webhook', 'cache', 'everyReplica'] as const;

/**
 * controller-runtime's: what works ends before what it works with, and what answers probes and API servers ends last. The leader's
 * group ends after the others, and its lease is given back after everything.
 */
const stopOrder = ['everyReplica', 'leader', 'cache', 'webhook', 'server'] as const;

/**
 * The process around controllers: starts and stops runnables in order, takes part in the election, serves probes and metrics.
 * Use it as it is and `add` to it, or extend it and add in `init`, which runs at the start.
 */
export class Manager extends OperatorShell {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly cache: Cache;
  /** Reads from the cache, writes to the API server. */
  readonly client: Client;
  readonly #options: ManagerOptions;
  readonly #groups: Record<RunnableGroupName, RunnableGroup>;
  readonly #controllerNames = new Set<string>();
  readonly #endpoints: Endpoints;
  readonly #elector: LeaderElector | undefined;
  readonly #elected = Promise.withResolvers<void>();
  readonly #stopRequested = new AbortController();
  readonly #failed = Promise.withResolvers<never>();
  readonly #leaseLost = Promise.withResolvers<Error>();
  #failure: Error | undefined;
  #state: 'new' | 'started' | 'stopping' = 'new';

  /** Throws if the cluster, or the lease's namespace, is not known, or the election's durations do not fit. */
  constructor(options: ManagerOptions = {}) {
    const { logger = createLogger(), registry = new Registry(), clock = systemClock, fieldManager = 'weft-runtime' } = options;
    const kubeConfig = options.kubeConfig ?? loadKubeConfig();
    const rest = new RestClient({ kubeConfig, registry, clock, userAgent: fieldManager });
    super({ kubeConfig, logger, rest });
    this.#options = options;
    this.registry = registry;
    this.clock = clock;
    this.cache = options.cache ?? new Cache({ logger });
    this.client = new Client({ rest, cache: this.cache, fieldManager });
    this.#endpoints = new Endpoints(options, { registry, logger, clock });
    const group = (name: RunnableGroupName) => new RunnableGroup({ name, logger, onError: (error) => this.#fail(error) });
    this.#groups = {
      server: group('server'),
      webhook: group('webhook'),
      cache: group('cache'),
      everyReplica: group('everyReplica'),
      leader: group('leader'),
    };
    this.#elector = this.#createElector();
    this.#failed.promise.catch(() => {});
    if (options.processMetrics !== false && !registry.getSingleMetric('process_cpu_seconds_total')) {
      collectDefaultMetrics({ register: registry });
    }
  }

  /** Resolves when this replica leads for the first time; at the start if there is no election. */
  get elected(): Promise<void> {
    return this.#elected.promise;
  }

  /**
   * Whether this replica may act as the leader at this moment; see `LeaderElector.isLeading`. Without an election: from the start until
   * the leader's runnables have ended, so that they can finish what they do.
   */
  get isLeading(): boolean {
    return this.#elector ? this.#elector.isLeading : this.#state === 'started' || this.#groups.leader.running.length > 0;
  }

  /** Who holds the lease, as last seen; undefined without an election. */
  get leader(): string | undefined {
    return this.#elector?.leader;
  }

  /** How long after a change of the leader every replica has heard of it, in milliseconds; 0 without an election. */
  get leaderKnownWithinMs(): number {
    return this.#elector?.lookIntervalMs ?? 0;
  }

  /** Where probes are served, as bound; undefined before the start and if nowhere. */
  get healthProbeAddress(): string | undefined {
    return this.#endpoints.probes?.address;
  }

  /** Where metrics are served, as bound; undefined before the start and if nowhere. */
  get metricsAddress(): string | undefined {
    return this.#endpoints.metrics?.address;
  }

  /**
   * Starts it with its group, or at once if that runs. Throws when the manager is stopping, and for a controller whose name another
   * one has: they would write the same metrics.
   */
  add(runnable: Runnable): void {
    if (runnable instanceof Controller) {
      if (this.#controllerNames.has(runnable.name))
        throw new Error(`a controller named ${runnable.name} exists already; give one of them another name with named()`);
      this.#controllerNames.add(runnable.name);
    }
    this.#groups[runnable.group].add(runnable);
  }

  /**
   * The events of a kind, for controllers to watch. The first question for a kind that nobody fills the cache with starts a reflector
   * of all of its objects; {@link reflect} beforehand narrows that.
   */
  sourceOf<T extends KubernetesObject>(kind: ResourceKind<T>): Source<T> {
    if (this.cache.find(kind)?.source === undefined) this.reflect({ kind });
    return informerSource(this.cache, kind);
  }

  /** Keeps the cache in step with these objects of the API server. Throws if something else fills the cache with the kind. */
  reflect<T extends KubernetesObject>(reflected: ReflectedKind<T>): void {
    const { kind } = reflected;
    const store = this.cache.store(kind);
    const reflector = new Reflector({ ...reflected, store, rest: this.rest, logger: this.logger, clock: this.clock });
    this.add({
      name: `reflector of ${kind.plural}`,
      group: 'cache',
      start: (signal) => reflector.run(signal),
      waitForReady: (signal) => store.waitForSync(signal),
    });
  }

  /** A check of `/healthz`: that fails where only a restart of the process helps. Without any, the process is healthy if it answers. */
  addHealthzCheck(name: string, check: HealthCheck): void {
    this.#endpoints.healthz.add(name, check);
  }

  /** A check of `/readyz`: that fails while requests should go to other replicas. */
  addReadyzCheck(name: string, check: HealthCheck): void {
    this.#endpoints.readyz.add(name, check);
  }

  /** Something else to answer on the metrics port, by its path. Throws if the path is taken. */
  addMetricsPath(path: string, answer: HttpAnswerer): void {
    this.#endpoints.addMetricsPath(path, answer);
  }

  /**
   * Starts everything and resolves when all has ended after `signal` aborted or {@link stop} was called. Rejects, with everything
   * ended again, with the first error of a runnable, when the lease is lost, and when runnables do not end in time: the process
   * should then exit with a code that is not 0.
   */
  override async start(signal?: AbortSignal): Promise<void> {
    if (this.#state !== 'new') throw new Error('the manager was started before; make a new one');
    this.#state = 'started';
    // Every timer and socket of the runtime may be one that does not keep the process alive.
    const keepAlive = setInterval(() => {}, 2 ** 30);
    const onAbort = () => this.stop();
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted) this.stop();
    try {
      await this.#run();
    } finally {
      signal?.removeEventListener('abort', onAbort);
      clearInterval(keepAlive);
    }
  }

  /** Begins a graceful stop; {@link start} resolves at its end. */
  override stop(): void {
    super.stop();
    this.#stopRequested.abort(new Error('the manager was told to stop'));
  }

  /** For classes that extend this one: called at the start, before anything runs. */
  protected override async init(): Promise<void> {}

  async #run(): Promise<void> {
    const leadership = new Leadership({
      elector: this.#elector,
      group: this.#groups.leader,
      whenLost: this.#options.leaderElection?.whenLost ?? 'stop',
      clock: this.clock,
      onElected: () => this.#elected.resolve(),
      onLost: (error) => {
        // Another replica may lead by now: nothing of this one may go on for the sake of a good end.
        this.#leaseLost.resolve(error);
        this.#fail(error);
      },
    });
    const errors: unknown[] = [];
    try {
      await super.start();
      for (const server of [this.#endpoints.metrics, this.#endpoints.probes]) if (server) this.add(server);
      await this.#startGroups(leadership);
    } catch (error) {
      errors.push(error);
    }
    this.#state = 'stopping';
    const trouble = await this.#stopGroups(leadership);
    if (trouble && !errors.includes(trouble)) errors.push(trouble);
    this.rest.close();
    if (errors.length > 1) throw new AggregateError(errors, errors.map((error) => (error as Error).message).join('; '));
    if (errors.length === 1) throw errors[0];
  }

  /** Resolves when the manager is told to stop, rejects with the first failure. */
  async #startGroups(leadership: Leadership): Promise<void> {
    const stopped = aborted(this.#stopRequested.signal);
    for (const name of startOrder) {
      if (this.#stopRequested.signal.aborted) return;
      await Promise.race([this.#groups[name].start(), this.#failed.promise, stopped]);
    }
    if (this.#stopRequested.signal.aborted) return;
    leadership.start();
    await Promise.race([this.#failed.promise, stopped]);
  }

  /** Resolves with what went wrong meanwhile: runnables that did not end in time, or a lease lost before they had. */
  async #stopGroups(leadership: Leadership): Promise<Error | undefined> {
    const { gracefulShutdownTimeoutMs: graceMs = 30_000, leaderElection } = this.#options;
    this.logger.info('Stopping', { graceMs });
    const deadline = Promise.withResolvers<void>();
    let lost: Error | undefined;
    void this.#leaseLost.promise.then((error) => {
      lost = error;
      deadline.resolve();
    });
    if (graceMs <= 0) deadline.resolve();
    const cancel = graceMs < Number.POSITIVE_INFINITY ? this.clock.setTimer(deadline.resolve, graceMs) : () => {};
    for (const name of stopOrder) {
      this.logger.debug('Stopping group', { group: name });
      await this.#groups[name].stop(deadline.promise, this.#failure);
    }
    cancel();
    const leaderEnded = this.#groups.leader.running.length === 0;
    await leadership.stop({ release: leaderEnded && (leaderElection?.releaseOnStop ?? true) });
    const late = stopOrder.flatMap((name) => this.#groups[name].running);
    if (lost || late.length === 0 || graceMs <= 0) return lost;
    return new Error(`did not end within ${graceMs} ms of the stop: ${late.join(', ')}`);
  }

  /** The first failure ends the manager; later ones are logged. */
  #fail(error: Error): void {
    if (this.#failure || this.#state === 'stopping') {
      this.logger.error('A further failure while stopping', { error });
    }
    this.#failure ??= error;
    this.#failed.reject(error);
  }

  #createElector(): LeaderElector | undefined {
    const { leaderElection } = this.#options;
    if (!leaderElection) return undefined;
    const namespace =
      leaderElection.namespace ?? this.kubeConfig.getContextObject(this.kubeConfig.getCurrentContext())?.namespace;
    if (!namespace)
      throw new Error('leader election: the kubeconfig names no namespace for the Lease; give leaderElection.namespace');
    const { logger, clock, registry } = this;
    return new LeaderElector({
      ...leaderElection,
      api: leaderElection.api ?? clientLeaseApi(this.client),
      namespace,
      logger,
      clock,
      registry,
    });
  }
}
