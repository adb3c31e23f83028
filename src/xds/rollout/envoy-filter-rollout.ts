import { pushOrder, type Resource } from '../../envoy/resource.ts';
import type { EnvoyFilter } from '../../mesh/envoy-filter.ts';
import type { Mesh } from '../../mesh/mesh.ts';
import type { ObjectKey } from '../../mesh/object-key.ts';
import { type ProxyNode, proxyName } from '../../mesh/proxy.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { FilterSelection, FilterSource } from '../filter-source.ts';
import type { ProxySession } from '../session/proxy-session.ts';
import { FilterVersions, selectsProxy } from './filter-versions.ts';
import type { Refusal, RolloutOptions, RolloutReport } from './rollout-report.ts';

/** What a rollout needs to know of the proxies that are connected to this replica. */
export interface TrialGround {
  /** The connected proxies, those of one class together. */
  groups(): Iterable<{ readonly sessions: ReadonlySet<ProxySession> }>;
  /** Whether a proxy would be given other bytes than now, were it in another class: asked while it is selected for the trial. */
  wouldChange(session: ProxySession): boolean;
}

export interface EnvoyFilterRolloutInit {
  readonly mesh: Mesh;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly options: RolloutOptions;
}

/** Messages of proxies are kept up to this many characters. */
const messageLimit = 512;

/** A generation on trial. */
interface Watch {
  readonly candidate: EnvoyFilter;
  /** The mesh's revision at which the trial began: what the proxies on trial must have acknowledged. */
  readonly revision: number;
  /** The proxies that have yet to acknowledge it. */
  readonly waiting: Set<ProxySession>;
  isAcknowledged: boolean;
  readonly cancelDeadline: () => void;
}

/**
 * Brings each new generation of an EnvoyFilter to a few proxies first, and to the rest when those have acknowledged it or a deadline is
 * over. A generation that a proxy refuses, then or later, is quarantined: everybody gets the one before.
 */
export class EnvoyFilterRollout implements FilterSource {
  readonly #init: EnvoyFilterRolloutInit;
  readonly #versions = new FilterVersions();
  readonly #offered = new Set<ObjectKey>();
  readonly #watches = new Map<ObjectKey, Watch>();
  readonly #stopListening: () => void;
  #ground: TrialGround | undefined;

  constructor(init: EnvoyFilterRolloutInit) {
    this.#init = init;
    this.#stopListening = init.mesh.onChange(({ object }) => {
      if (this.#versions.get(object) || init.mesh.get(object)?.kind === 'envoyFilter') this.#offered.add(object);
    });
  }

  /** Says where the proxies are: from now on new generations go on trial. Before, everybody gets everything at once. */
  attach(ground: TrialGround): void {
    this.#ground = ground;
  }

  /** Takes in no more changes. */
  close(): void {
    this.#stopListening();
    for (const { cancelDeadline } of this.#watches.values()) cancelDeadline();
    this.#watches.clear();
  }

  /** {@link FilterSource} */
  select(node: ProxyNode): FilterSelection {
    return this.#versions.select(node, this.#init.mesh.config.rootNamespace);
  }

  /** Decides who gets what of the generations that came since the last call. */
  decide(): void {
    const offered = [...this.#offered];
    this.#offered.clear();
    for (const key of offered) this.#decide(key);
  }

  /** A proxy's standing has moved: perhaps it has taken what it tries. */
  progressed(session: ProxySession): void {
    for (const [key, watch] of this.#watches) {
      if (!watch.waiting.has(session) || !hasTaken(session, watch.revision)) continue;
      watch.isAcknowledged = true;
      watch.waiting.delete(session);
      if (watch.waiting.size === 0) this.#promote(key, 'acknowledged');
    }
  }

  /** A proxy has refused resources. */
  refused(session: ProxySession, resources: readonly Resource[], message: string): void {
    for (const resource of resources) {
      const key = this.#culpritOf(session, resource);
      if (key === undefined) continue;
      const { typeUrl, name } = resource;
      const atMs = this.#init.clock.now();
      const cut = message.slice(0, messageLimit);
      this.#quarantine(key, { typeUrl, resource: name, proxy: proxyName(session.node), message: cut, atMs });
    }
  }

  /** A proxy is gone. */
  closed(session: ProxySession): void {
    for (const [key, { candidate, waiting, isAcknowledged }] of this.#watches) {
      if (!waiting.delete(session) || waiting.size > 0) continue;
      if (isAcknowledged) this.#promote(key, 'acknowledged');
      // Nobody has said anything: others shall try.
      else this.#init.mesh.announce(key, candidate.namespace);
    }
  }

  /** Where an EnvoyFilter's newest generation stands; undefined: everybody whom it concerns is served it. */
  report(key: ObjectKey): RolloutReport | undefined {
    const { served, trial, quarantine } = this.#versions.get(key) ?? {};
    const servedGeneration = served?.generation;
    if (trial) return { stage: 'trial', proxies: trial.nodes.size, servedGeneration };
    if (!quarantine) return undefined;
    const { refusal, message } = quarantine;
    return { stage: 'quarantined', refusal, message, servedGeneration };
  }

  #decide(key: ObjectKey): void {
    const fragment = this.#init.mesh.get(key);
    const newest = fragment?.kind === 'envoyFilter' ? fragment.envoyFilter : undefined;
    const { served, trial, quarantine } = this.#versions.get(key) ?? {};
    if (!newest) {
      this.#endWatch(key);
      this.#versions.delete(key);
    } else if (newest.version === quarantine?.filter.version) return;
    else if (newest.quarantine !== undefined) {
      this.#endWatch(key);
      this.#versions.quarantine({ filter: newest, refusal: undefined, message: newest.quarantine });
    } else if (newest.version === trial?.candidate.version) {
      if (this.#watches.get(key)?.waiting.size === 0) this.#start(newest);
    } else if (newest.version !== served?.version) this.#start(newest);
    else if (trial || quarantine) {
      this.#endWatch(key);
      this.#versions.settle(key);
    }
  }

  #start(candidate: EnvoyFilter): void {
    const { key, namespace, name, generation } = candidate;
    const { clock, logger, mesh, options } = this.#init;
    this.#endWatch(key);
    const waiting = this.#choose(candidate);
    if (waiting.size === 0) {
      this.#versions.serve(candidate);
      return;
    }
    this.#versions.try(candidate, nodesOf(waiting));
    const cancelDeadline = clock.setTimer(() => this.#promote(key, 'deadline'), options.deadlineMs);
    this.#watches.set(key, { candidate, revision: mesh.revision, waiting, isAcknowledged: false, cancelDeadline });
    logger.info('An EnvoyFilter is on trial', { namespace, name, generation, proxies: Array.from(waiting, sessionName) });
  }

  /** At most one proxy of a class, and only where it makes a difference. */
  #choose(candidate: EnvoyFilter): Set<ProxySession> {
    const chosen = new Set<ProxySession>();
    const { mesh, options } = this.#init;
    const { served } = this.#versions.get(candidate.key) ?? {};
    const { rootNamespace } = mesh.config;
    const isConcerned = ({ node }: ProxySession) =>
      [candidate, served].some((version) => version && selectsProxy(version, node, rootNamespace));
    for (const { sessions } of options.canaries > 0 ? (this.#ground?.groups() ?? []) : []) {
      const session = pick(sessions, isConcerned);
      if (!session) continue;
      this.#versions.try(candidate, nodesOf([session]));
      if (!this.#ground!.wouldChange(session)) continue;
      chosen.add(session);
      if (chosen.size >= options.canaries) break;
    }
    return chosen;
  }

  #promote(key: ObjectKey, why: 'acknowledged' | 'deadline'): void {
    const { candidate, waiting } = this.#watches.get(key)!;
    const { namespace, name, generation } = candidate;
    const { logger, mesh } = this.#init;
    if (why === 'deadline') {
      const silent = Array.from(waiting, sessionName);
      logger.warn('An EnvoyFilter goes to every proxy although one on trial has not answered', {
        ...{ namespace, name, generation, silent },
      });
    } else logger.info('An EnvoyFilter goes to every proxy', { namespace, name, generation });
    this.#endWatch(key);
    this.#versions.serve(candidate);
    mesh.announce(key, candidate.namespace);
  }

  #quarantine(key: ObjectKey, refusal: Refusal): void {
    const { served, trial } = this.#versions.get(key)!;
    const filter = trial?.candidate ?? served!;
    this.#endWatch(key);
    this.#versions.quarantine({ filter, refusal, message: refusal.message });
    const { namespace, name, generation } = filter;
    this.#init.logger.warn('An EnvoyFilter is quarantined: a proxy refused it', { namespace, name, generation, ...refusal });
    this.#init.mesh.announce(key, namespace);
  }

  /**
   * The EnvoyFilter that is to blame for a refused resource: one that this proxy tries, else the one whose change of the resource was the
   * last of all. Where a change of something else came later, that is to blame, and no filter.
   */
  #culpritOf({ node, proxyClass }: ProxySession, { typeUrl, name, version, provenance }: Resource): ObjectKey | undefined {
    // What is refused late, when the proxy is owed something else already, tells nothing of what is in force.
    if (proxyClass.table(typeUrl).get(name)?.version !== version) return undefined;
    const isInForce = (filter: EnvoyFilter | undefined) =>
      filter !== undefined && proxyClass.filterVersion?.(filter.key) === filter.version;
    const onTrial = provenance.filter((key) => {
      const trial = this.#versions.get(key)?.trial;
      return trial?.nodes.has(node) && isInForce(trial.candidate);
    });
    if (onTrial.length > 0) {
      return onTrial.reduce((a, b) => (this.#watches.get(b)!.revision > this.#watches.get(a)!.revision ? b : a));
    }
    const changedAt = (key: ObjectKey) => proxyClass.changedAt(key, typeUrl);
    const last = Math.max(...provenance.map(changedAt));
    const servedAmongLast = provenance
      .filter((key) => changedAt(key) === last)
      .flatMap((key) => this.#versions.get(key)?.served ?? [])
      .filter(isInForce);
    return servedAmongLast.toSorted((a, b) => b.createdAtMs - a.createdAtMs)[0]?.key;
  }

  #endWatch(key: ObjectKey): void {
    this.#watches.get(key)?.cancelDeadline();
    this.#watches.delete(key);
  }
}

/** One that is up to date where there is one: another may not answer soon. */
function pick(sessions: Iterable<ProxySession>, isConcerned: (session: ProxySession) => boolean): ProxySession | undefined {
  let first: ProxySession | undefined;
  for (const session of sessions) {
    if (!isConcerned(session)) continue;
    if (session.settled) return session;
    first ??= session;
  }
  return first;
}

/** Whether a proxy has acknowledged everything up to a revision, and lacks nothing of it. */
function hasTaken({ types }: ProxySession, revision: number): boolean {
  return pushOrder.every((typeUrl) => types[typeUrl].covers(revision, undefined) && types[typeUrl].awaited.size === 0);
}

function nodesOf(sessions: Iterable<ProxySession>): Set<ProxyNode> {
  return new Set(Array.from(sessions, ({ node }) => node));
}

const sessionName = ({ node }: ProxySession): string => proxyName(node);
