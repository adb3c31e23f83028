import { parseObjectKey } from '../mesh/object-key.ts';
import { PatchedClass } from './classes/patched-class.ts';
import type { ProxyClass } from './proxy-class.ts';

/** One line for each patch that fits the proxies of a class by context and `match.proxy` and does nothing for them, with the reason. */
export function describeIdlePatches(proxyClass: ProxyClass): string[] {
  if (!(proxyClass instanceof PatchedClass)) return [];
  return proxyClass.filters.list.flatMap(({ filter, patches }) => {
    const matched = new Set(proxyClass.matchedBy(filter.key));
    const failed = new Map(proxyClass.failedBy(filter.key));
    const { kind, namespace, name } = parseObjectKey(filter.key);
    return patches.flatMap(({ index }) => {
      const place = `${kind} ${namespace}/${name}: spec.configPatches[${index}]`;
      if (failed.has(index)) return [`warning: ${place} could not be applied: ${failed.get(index)}`];
      return matched.has(index) ? [] : [`warning: ${place} matches nothing in the configuration of this proxy`];
    });
  });
}
