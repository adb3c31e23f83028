import type { Resource } from '../../envoy/resource.ts';
import type { ObjectKey } from '../../mesh/object-key.ts';
import type { ProxySession } from '../session/proxy-session.ts';
import { suspectsOf } from '../suspects.ts';
import type { FilterVersions } from './filter-versions.ts';

/** Which EnvoyFilters may be to blame for a resource that a proxy refused. */
export type Blame =
  /** Those that the proxy tries: one, or several of which any may be it. */
  | { readonly stage: 'trial'; readonly filters: readonly [ObjectKey, ...ObjectKey[]] }
  /** The generation that everybody is served. */
  | { readonly stage: 'served'; readonly filter: ObjectKey };

/**
 * The EnvoyFilter to blame for a refused resource: one that this proxy tries, else the one whose change of the resource was the last of
 * all. Undefined where something else changed later, where the culprit is known already, and where what is refused is out of date.
 */
export function findCulprit(versions: FilterVersions, { node, proxyClass }: ProxySession, resource: Resource): Blame | undefined {
  const { typeUrl, name, version, provenance } = resource;
  // What is refused late, when the proxy is owed something else already, tells nothing of what is in force.
  if (proxyClass.table(typeUrl).get(name)?.version !== version) return undefined;
  const isInForce = (key: ObjectKey, stage: 'served' | 'trial' | 'quarantine') => {
    const { served, trial, quarantine } = versions.get(key) ?? {};
    const held = proxyClass.filterVersion?.(key);
    const filter = { served, trial: trial?.candidate, quarantine: quarantine?.filter }[stage];
    return filter !== undefined && filter.version === held;
  };
  // The class has yet to be brought up to a quarantine, which explains the refusal.
  if (provenance.some((key) => isInForce(key, 'quarantine'))) return undefined;
  const [first, ...rest] = provenance.filter((key) => versions.get(key)?.trial?.nodes.has(node) && isInForce(key, 'trial'));
  if (first !== undefined) return { stage: 'trial', filters: [first, ...rest] };
  const suspects = suspectsOf(resource, proxyClass);
  const changedAt = (key: ObjectKey) => proxyClass.changedAt(key, typeUrl);
  const last = suspects.filter((key) => changedAt(key) === changedAt(suspects[0]!) && isInForce(key, 'served'));
  const createdAtMs = (key: ObjectKey) => versions.get(key)!.served!.createdAtMs;
  const [youngest] = last.toSorted((a, b) => createdAtMs(b) - createdAtMs(a));
  return youngest === undefined ? undefined : { stage: 'served', filter: youngest };
}
