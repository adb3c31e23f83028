import { type Resource, typeUrls } from '../envoy/resource.ts';

/**
 * What is wrong with a proxy's answer as a whole: a resource that another one needs is missing, or nothing asks for it.
 * Empty for every answer Weft gives; run by tests on every golden case and every random history.
 */
export function findInconsistencies(resources: Iterable<Resource>): string[] {
  const problems: string[] = [];
  const byType = new Map<string, Map<string, Resource>>();
  for (const resource of resources) {
    const known = byType.get(resource.typeUrl) ?? new Map<string, Resource>();
    if (known.has(resource.name)) problems.push(`there are two of ${shortType(resource.typeUrl)} ${resource.name}`);
    known.set(resource.name, resource);
    byType.set(resource.typeUrl, known);
  }
  const wanted = new Set<string>();
  for (const known of byType.values()) {
    for (const resource of known.values()) {
      for (const { typeUrl, name } of resource.requires) {
        wanted.add(`${typeUrl} ${name}`);
        if (!byType.get(typeUrl)?.has(name))
          problems.push(
            `${shortType(resource.typeUrl)} ${resource.name} needs ${shortType(typeUrl)} ${name}, which is not there`,
          );
      }
    }
  }
  // Clusters may stand unused: a TCP proxy or an EnvoyFilter may name one at any time. These two are only had by name.
  for (const typeUrl of [typeUrls.endpoint, typeUrls.route]) {
    for (const name of byType.get(typeUrl)?.keys() ?? []) {
      if (!wanted.has(`${typeUrl} ${name}`)) problems.push(`${shortType(typeUrl)} ${name} is asked for by nothing`);
    }
  }
  return problems;
}

function shortType(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('.') + 1);
}
