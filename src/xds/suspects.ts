import type { Resource } from '../envoy/resource.ts';
import type { ObjectKey } from '../mesh/object-key.ts';
import type { ProxyClass } from './proxy-class.ts';

/** The objects behind a resource, the newest change first: the first suspect. Of equal age, the Sidecar that made the class. */
export function suspectsOf({ typeUrl, name, provenance }: Resource, proxyClass: ProxyClass): ObjectKey[] {
  const { sidecarKey } = proxyClass;
  const isShaped = sidecarKey !== undefined && proxyClass.footprint(sidecarKey)?.names.get(typeUrl)?.has(name);
  const objects = new Set(isShaped ? [sidecarKey, ...provenance] : provenance);
  const changed = new Map(Array.from(objects, (object) => [object, proxyClass.changedAt(object, typeUrl)]));
  return [...changed.keys()].sort((a, b) => changed.get(b)! - changed.get(a)!);
}
