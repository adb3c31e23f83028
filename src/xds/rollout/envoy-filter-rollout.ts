import type { Resource } from '../../envoy/resource.ts';
import type { EnvoyFilter } from '../../mesh/envoy-filter.ts';
import type { Mesh } from '../../mesh/mesh.ts';
import { type ObjectKey, parseObjectKey } from '../../mesh/object-key.ts';
import { type ProxyNode, proxyName } from '../../mesh/proxy.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { FilterSelection, FilterSource } from '../filter-source.ts';
import type { ProxySession } from '../session/proxy-session.ts';
import { FilterVersions, selectsProxy } from './filter-versions.ts';
import { findCulprit } from './find-culprit.ts';
import type { Refusal, RolloutOptions, RolloutReport } from './rollout-report.ts';
import { hasTaken, pickTrier, type TrialWatch } from './trial-watch.ts';

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
/** After so many trials in a row of which every proxy disconnected without a word, others are spared. */
const lostRoundLimit = 3;

/**
 * Brings each new generation of an EnvoyFilter to a few proxies first, and to the rest when those have acknowledged it or a deadline is
 * over. A generation that a proxy refuses, then or later, is quarantined: everybody gets the one before.
 */
export class EnvoyFilterRollout implements FilterSource {
  readonly #init: EnvoyFilterRolloutInit;
  readonly #versions = new FilterVersions();
  readonly #offered = new Set<ObjectKey>();
  readonly #watches = new Map<ObjectKey, TrialWatch>();
  /** Filters of which any may be the one that a proxy refused: tried one at a time, the first of them now. */
  readonly #line = new Set<ObjectKey>();
  readonly #stopListening: () => void;
  #ground: TrialGround | undefined;

  constructor(init: EnvoyFilterRolloutInit) {
    this.#init = init;
    this.#stopListening = init.mesh.onChange(({ object }) => {
      if (!this.#versions.get(object) && init.mesh.get(object)?.kind !== 'envoyFilter') return;
      // Whoever connects next shall have everything that there was before, and no trial of it.
      if (this.#isDeserted() && !this.#watches.has(object)) this.#decide(object);
      else this.#offered.add(object);
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

  /** What everybody of a namespace with these labels is served who tries nothing. */
  served(namespace: string, labels: Readonly<Record<string, string>>): readonly EnvoyFilter[] {
    return this.#versions.servedTo(namespace, labels, this.#init.mesh.config.rootNamespace);
  }

  /** Decides who gets what of the generations that came since the last call. */
  decide(): void {
    const offered = [...this.#offered];
    this.#offered.clear();
    for (const key of offered) {
      try {
        this.#decide(key);
      } catch (error) {
        this.#offered.add(key);
        const { namespace, name } = parseObjectKey(key);
        this.#init.logger.error('Who gets an EnvoyFilter could not be decided; it is tried again with the next change', {
          ...{ namespace, name, error },
        });
      }
    }
  }

  /** A proxy's standing has moved: perhaps it has taken what it tries. */
  progressed(session: ProxySession): void {
    for (const [key, watch] of this.#watches) {
      if (!watch.waiting.has(session) || !hasTaken(session, key, watch.revision)) continue;
      watch.isAcknowledged = true;
      watch.waiting.delete(session);
      if (watch.waiting.size === 0) this.#promote(key, 'acknowledged');
    }
  }

  /** A proxy has refused resources. */
  refused(session: ProxySession, resources: readonly Resource[], message: string): void {
    const unclear: (readonly ObjectKey[])[] = [];
    for (const resource of resources) {
      const blame = findCulprit(this.#versions, session, resource);
      if (!blame) continue;
      if (blame.stage === 'trial' && blame.filters.length > 1) {
        unclear.push(blame.filters);
        continue;
      }
      const { typeUrl, name } = resource;
      const refusal: Refusal = {
        ...{ typeUrl, resource: name, proxy: proxyName(session.node) },
        ...{ message: message.slice(0, messageLimit), atMs: this.#init.clock.now() },
      };
      if (blame.stage === 'served') this.#takeBack(blame.filter, refusal);
      else this.#quarantine(this.#versions.get(blame.filters[0])!.trial!.candidate, refusal.message, refusal);
    }
    // Where one of them is known to be it by now, nothing is held against the others.
    for (const filters of unclear) {
      if (filters.every((key) => this.#versions.get(key)?.trial?.nodes.has(session.node))) this.#lineUp(filters);
    }
  }

  /** A proxy is gone. */
  closed(session: ProxySession): void {
    for (const [key, watch] of this.#watches) {
      const { candidate, waiting, departed } = watch;
      if (!waiting.delete(session)) continue;
      departed.push(proxyName(session.node));
      if (waiting.size > 0) continue;
      if (watch.isAcknowledged) this.#promote(key, 'acknowledged');
      else if (++watch.lostRounds >= lostRoundLimit)
        this.#quarantine(candidate, explainLoss(departed, this.#versions.get(key)?.served));
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

  #isDeserted(): boolean {
    for (const _ of this.#ground?.groups() ?? []) return false;
    return true;
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
      const watch = this.#watches.get(key);
      if (!watch?.waiting.size) this.#start(newest, watch);
    } else if (newest.version !== served?.version) this.#start(newest);
    else if (trial || quarantine) {
      this.#endWatch(key);
      this.#versions.settle(key);
    }
    this.#moveLine(key);
  }

  /** @param before the trial of the same generation that has been without effect */
  #start(candidate: EnvoyFilter, before?: TrialWatch): void {
    const { key, namespace, name, generation } = candidate;
    const { clock, logger, mesh, options } = this.#init;
    this.#endWatch(key);
    if (this.#line.has(key) && !this.#isNext(key)) {
      this.#versions.try(candidate, new Set());
      return;
    }
    const waiting = this.#choose(candidate);
    // Those that left may come back in a moment, perhaps to leave again for the same reason.
    const isAwaited = before !== undefined && before.lostRounds > 0 && !before.isExpired;
    if (waiting.size === 0 && !isAwaited) {
      this.#versions.serve(candidate);
      return;
    }
    this.#versions.try(candidate, nodesOf(waiting));
    const { departed = [], lostRounds = 0 } = before ?? {};
    this.#watches.set(key, {
      ...{ candidate, revision: mesh.revision, waiting, departed, lostRounds, isAcknowledged: false, isExpired: false },
      cancelDeadline: clock.setTimer(() => this.#expire(key), options.deadlineMs),
    });
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
      const session = pickTrier(sessions, isConcerned);
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
    this.#moveLine(key);
  }

  /** The time of a trial is over. */
  #expire(key: ObjectKey): void {
    const watch = this.#watches.get(key)!;
    if (watch.waiting.size > 0) {
      this.#promote(key, 'deadline');
      return;
    }
    watch.isExpired = true;
    this.#init.mesh.announce(key, watch.candidate.namespace);
  }

  /** @param refusal undefined: no proxy said it */
  #quarantine(filter: EnvoyFilter, message: string, refusal?: Refusal): void {
    const { key, namespace, name, generation } = filter;
    this.#endWatch(key);
    this.#versions.quarantine({ filter, refusal, message });
    this.#init.logger.warn('An EnvoyFilter is quarantined', { namespace, name, generation, message, ...refusal });
    this.#init.mesh.announce(key, namespace);
    this.#moveLine(key);
  }

  /** What everybody is served is refused: where a newer generation is on trial or in quarantine already, that is what the status speaks of. */
  #takeBack(key: ObjectKey, refusal: Refusal): void {
    const standing = this.#versions.get(key)!;
    const served = standing.served!;
    if (!standing.trial && !standing.quarantine) {
      this.#quarantine(served, refusal.message, refusal);
      return;
    }
    const { namespace, name, generation } = served;
    this.#versions.retreat(key);
    this.#init.logger.warn('A superseded generation of an EnvoyFilter is taken back', {
      namespace,
      name,
      generation,
      ...refusal,
    });
    this.#init.mesh.announce(key, namespace);
  }

  /** Any of them may be what was refused: nobody tries them now, and then one after the other. */
  #lineUp(filters: readonly ObjectKey[]): void {
    for (const key of filters) {
      const { candidate } = this.#versions.get(key)!.trial!;
      this.#line.add(key);
      this.#endWatch(key);
      this.#versions.try(candidate, new Set());
      this.#init.mesh.announce(key, candidate.namespace);
    }
    this.#init.logger.info('EnvoyFilters are tried one at a time: a proxy refused what several of them shaped', { filters });
  }

  #isNext(key: ObjectKey): boolean {
    for (const first of this.#line) return first === key;
    return false;
  }

  /** Where a filter's trial is over, it is the turn of the next in line. */
  #moveLine(key: ObjectKey): void {
    if (!this.#line.has(key) || this.#versions.get(key)?.trial) return;
    const wasNext = this.#isNext(key);
    this.#line.delete(key);
    for (const next of wasNext ? this.#line : []) {
      this.#init.mesh.announce(next, this.#versions.get(next)!.trial!.candidate.namespace);
      return;
    }
  }

  #endWatch(key: ObjectKey): void {
    this.#watches.get(key)?.cancelDeadline();
    this.#watches.delete(key);
  }
}

function explainLoss(proxies: readonly string[], served: EnvoyFilter | undefined): string {
  const named = proxies.slice(0, 5).join(', ');
  const rest = served ? `generation ${served.generation}` : 'nothing of this object';
  return `${lostRoundLimit} times in a row the proxies that tried it disconnected without an answer, as one does that crashes: ${named} (every proxy is served ${rest})`;
}

function nodesOf(sessions: Iterable<ProxySession>): Set<ProxyNode> {
  return new Set(Array.from(sessions, ({ node }) => node));
}

const sessionName = ({ node }: ProxySession): string => proxyName(node);
