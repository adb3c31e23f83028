import type { EnvoyFilter, EnvoyFilterPatch, SelectedEnvoyFilter } from '../mesh/envoy-filter.ts';
import type { ProxyNode } from '../mesh/proxy.ts';
import { isForSidecars } from '../translate/patches/matches.ts';
import { matchesVersion } from './match-version.ts';

/** The fitting part of a filter, with what names it in a class's key. */
export interface FittedFilter extends SelectedEnvoyFilter {
  /** `EnvoyFilter/shop/tune@<version>`, and behind it the patches that fit, where not all of those for a sidecar do: `:0.2`. */
  readonly key: string;
}

interface Fits {
  /** What may fit any sidecar at all. */
  readonly patches: readonly EnvoyFilterPatch[];
  readonly all: FittedFilter | undefined;
  /** Whether it takes a look at the proxy to tell. */
  readonly isConditional: boolean;
  /** By the indexes that fit. */
  readonly some: Map<string, FittedFilter>;
}

const fits = new WeakMap<EnvoyFilter, Fits>();

/**
 * What of each filter fits a sidecar: patches for its context, whose `match.proxy` it meets. A filter of which nothing fits is left out.
 * The same filter and patches are the same object each time, so that classes can be compared by identity.
 */
export function fitFilters(filters: readonly EnvoyFilter[], node: ProxyNode): FittedFilter[] {
  const fitting: FittedFilter[] = [];
  for (const filter of filters) {
    const fitted = fitFilter(filter, node);
    if (fitted) fitting.push(fitted);
  }
  return fitting;
}

function fitFilter(filter: EnvoyFilter, node: ProxyNode): FittedFilter | undefined {
  let known = fits.get(filter);
  if (!known) {
    const patches = filter.patches.filter(isServed);
    const isConditional = patches.some(({ proxyVersion, metadata }) => proxyVersion || metadata);
    const key = `${filter.key}@${filter.version}`;
    known = { patches, isConditional, all: patches.length ? { filter, patches, key } : undefined, some: new Map() };
    fits.set(filter, known);
  }
  if (!known.isConditional) return known.all;
  const patches = known.patches.filter((patch) => isMetBy(patch, node.metadata));
  if (patches.length === known.patches.length) return known.all;
  if (!patches.length) return undefined;
  const indexes = patches.map(({ index }) => index).join('.');
  let fitted = known.some.get(indexes);
  if (!fitted) {
    fitted = { filter, patches, key: `${known.all!.key}:${indexes}` };
    known.some.set(indexes, fitted);
  }
  return fitted;
}

/** Whether the patch is part of what a sidecar is served: not of its bootstrap, nor for gateways and waypoints. */
function isServed(patch: EnvoyFilterPatch): boolean {
  return patch.applyTo !== 'BOOTSTRAP' && isForSidecars(patch);
}

/** Istio's rule (pilot/pkg/model/envoyfilter.go, proxyMatch): a proxy that does not tell its version matches no `proxyVersion`. */
export function isMetBy({ proxyVersion, metadata }: EnvoyFilterPatch, proxy: ProxyNode['metadata']): boolean {
  if (proxyVersion) {
    const version = proxy.ISTIO_VERSION;
    if (typeof version !== 'string' || version === '' || !matchesVersion(proxyVersion, version)) return false;
  }
  return Object.entries(metadata ?? {}).every(([name, value]) => Object.hasOwn(proxy, name) && proxy[name] === value);
}
