import type { EnvoyFilter } from '../../mesh/envoy-filter.ts';
import { EnvoyFilterIndex, selectsWorkload } from '../../mesh/envoy-filter-index.ts';
import type { ObjectKey } from '../../mesh/object-key.ts';
import type { ProxyNode } from '../../mesh/proxy.ts';
import type { FilterSelection } from '../filter-source.ts';
import type { Refusal } from './rollout-report.ts';

/** A generation that nobody is served any more, because a proxy refused it. */
export interface Quarantine {
  readonly filter: EnvoyFilter;
  /** Undefined: another replica saw it, or this one before it was started again. */
  readonly refusal: Refusal | undefined;
  /** Envoy's own words. */
  readonly message: string;
}

/** A generation that only some proxies are served. */
export interface Trial {
  readonly candidate: EnvoyFilter;
  readonly nodes: ReadonlySet<ProxyNode>;
}

/** What is known of the generations of one EnvoyFilter. */
export interface Standing {
  /** What everybody gets who is not on trial; undefined: nothing of it. */
  readonly served?: EnvoyFilter | undefined;
  /** What was served before: what a later refusal takes everybody back to. */
  readonly previous?: EnvoyFilter | undefined;
  readonly trial?: Trial | undefined;
  readonly quarantine?: Quarantine | undefined;
}

/** Which generation of each EnvoyFilter is served to whom. Nothing but the record: what happens when is the rollout's business. */
export class FilterVersions {
  readonly #served = new EnvoyFilterIndex();
  readonly #standings = new Map<ObjectKey, Standing>();
  /** The EnvoyFilters of which not everybody gets the newest generation. Few, so that selecting costs next to nothing. */
  readonly #unsettled = new Map<ObjectKey, EnvoyFilter>();

  get(key: ObjectKey): Standing | undefined {
    return this.#standings.get(key);
  }

  /** Everybody gets `filter` from now on. */
  serve(filter: EnvoyFilter): void {
    const { served } = this.#standings.get(filter.key) ?? {};
    this.#set(filter.key, { served: filter, previous: served });
  }

  /** Nobody gets any generation of it any more. */
  delete(key: ObjectKey): void {
    this.#set(key, undefined);
  }

  /** `nodes` get `candidate`, the rest what is served now. */
  try(candidate: EnvoyFilter, nodes: ReadonlySet<ProxyNode>): void {
    const { served, previous } = this.#standings.get(candidate.key) ?? {};
    this.#set(candidate.key, { served, previous, trial: { candidate, nodes } });
  }

  /** The trial or quarantine is over without effect: what is served stays. */
  settle(key: ObjectKey): void {
    const { served, previous } = this.#standings.get(key) ?? {};
    this.#set(key, { served, previous });
  }

  /** Nobody gets `filter`: if it was served, everybody gets the generation before it. */
  quarantine({ filter, refusal, message }: Quarantine): void {
    const { served, previous } = this.#standings.get(filter.key) ?? {};
    const isServed = served?.version === filter.version;
    this.#set(filter.key, {
      served: isServed ? previous : served,
      previous: isServed ? undefined : previous,
      quarantine: { filter, refusal, message },
    });
  }

  /** A refusal of what is served, while a newer generation is on trial or in quarantine: everybody else gets the generation before it. */
  retreat(key: ObjectKey): void {
    const { previous, trial, quarantine } = this.#standings.get(key) ?? {};
    this.#set(key, { served: previous, trial, quarantine });
  }

  /** What everybody gets who tries nothing, in Istio's order. */
  servedTo(namespace: string, labels: Readonly<Record<string, string>>, rootNamespace: string): EnvoyFilter[] {
    return this.#served.select(namespace, labels, rootNamespace);
  }

  /** What a proxy gets, in Istio's order: the root namespace's first, each by priority, age, name. */
  select(node: ProxyNode, rootNamespace: string): FilterSelection {
    const filters = this.servedTo(node.namespace, node.labels, rootNamespace);
    if (this.#unsettled.size === 0) return { filters, awaiting: [] };
    const awaiting: ObjectKey[] = [];
    let chosen: EnvoyFilterIndex | undefined;
    for (const [key, newest] of this.#unsettled) {
      const { served, trial } = this.#standings.get(key)!;
      const concerns = [served, newest].some((version) => version && selectsProxy(version, node, rootNamespace));
      if (!concerns) continue;
      if (!trial?.nodes.has(node)) {
        awaiting.push(key);
        continue;
      }
      chosen ??= indexOf(filters);
      chosen.delete(key);
      chosen.put(newest);
    }
    return { filters: chosen?.select(node.namespace, node.labels, rootNamespace) ?? filters, awaiting };
  }

  #set(key: ObjectKey, standing: Standing | undefined): void {
    this.#served.delete(key);
    if (standing?.served) this.#served.put(standing.served);
    const newest = standing?.trial?.candidate ?? standing?.quarantine?.filter;
    if (newest) this.#unsettled.set(key, newest);
    else this.#unsettled.delete(key);
    if (standing) this.#standings.set(key, standing);
    else this.#standings.delete(key);
  }
}

function indexOf(filters: readonly EnvoyFilter[]): EnvoyFilterIndex {
  const index = new EnvoyFilterIndex();
  for (const filter of filters) index.put(filter);
  return index;
}

/** Whether a filter is for a proxy. */
export function selectsProxy(filter: EnvoyFilter, { namespace, labels }: ProxyNode, rootNamespace: string): boolean {
  return (filter.namespace === namespace || filter.namespace === rootNamespace) && selectsWorkload(filter, labels);
}
