import type { InjectionConfig } from '../injector/config/injection-config.ts';

/**
 * The injection configuration, and what the path of a review says besides: pairs of keys and values, as Istio's
 * `/inject/cluster/CLUSTER/net/NETWORK`. `revision/REVISION`, as often as need be, names a revision or tag that the webhook's selectors take;
 * `unlabelled/true` says that they take what has no label. A path changes together with the selectors, while a ConfigMap reaches the
 * operator up to minutes later: what is asked about meanwhile would be taken for another revision's, and start without a sidecar. Other
 * keys mean nothing.
 * @param path such as `/inject/revision/default/revision/prod`
 */
export function askedFor(config: InjectionConfig, path: string): InjectionConfig {
  const [, , ...segments] = path.split('/');
  const revisions: string[] = [];
  let { enableNamespacesByDefault } = config;
  for (let at = 0; at + 1 < segments.length; at += 2) {
    const [key, value] = [segments[at], segments[at + 1]!];
    if (key === 'revision' && !serves(config, value)) revisions.push(value);
    if (key === 'unlabelled' && value === 'true') enableNamespacesByDefault = true;
  }
  if (revisions.length === 0 && enableNamespacesByDefault === config.enableNamespacesByDefault) return config;
  return { ...config, enableNamespacesByDefault, revisionTags: [...config.revisionTags, ...revisions] };
}

function serves({ revision, revisionTags }: InjectionConfig, wanted: string): boolean {
  return revision === wanted || revisionTags.includes(wanted);
}
