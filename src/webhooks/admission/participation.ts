import type { MeshConfig } from '../../mesh/mesh-config.ts';
import { matchesSelector } from '../../runtime/cache/label-selector.ts';
import type { ObjectStore } from '../../runtime/cache/object-store.ts';
import type { KubernetesObject } from '../../runtime/object.ts';
import type { InjectionRequest, InjectionResult } from '../injector/injection.ts';

type Labels = Readonly<Record<string, string>>;

/** Whether objects and pods of a namespace count in the mesh, by its labels. */
export function takesPart(labels: Labels | undefined, { discoverySelectors }: Pick<MeshConfig, 'discoverySelectors'>): boolean {
  return discoverySelectors.length === 0 || discoverySelectors.some((selector) => matchesSelector(selector, labels));
}

/** Why they do not, for whoever sent one. */
export function whyLeftOut(namespace: string): string {
  return `no entry of the mesh config's discoverySelectors matches the labels of namespace ${namespace}`;
}

/** The policy by which a pod outside of `discoverySelectors` is left as it is. */
export const outsidePolicy = 'discovery-selectors';

/**
 * What becomes of a pod where `discoverySelectors` may leave its namespace out: then it stays as it is, whatever the injector made of it. No CA
 * would come to it and no configuration: with a sidecar it would wait for ever.
 */
export function leaveOutside(
  result: InjectionResult,
  { name, labels }: InjectionRequest['namespace'],
  meshConfig: Pick<MeshConfig, 'discoverySelectors'>,
): InjectionResult {
  if (result.outcome === 'skipped' || takesPart(labels, meshConfig)) return result;
  return { outcome: 'skipped', policy: outsidePolicy, reason: whyLeftOut(name) };
}

export interface ParticipationOptions {
  readonly meshConfig: () => Pick<MeshConfig, 'discoverySelectors'>;
  /** Where a source keeps the namespaces up to date. */
  readonly namespaces: ObjectStore<KubernetesObject>;
  /** The namespace as the API server has it now; undefined if there is none. */
  readonly readNamespace: (name: string, signal: AbortSignal) => Promise<KubernetesObject | undefined>;
}

/** Tells by name whether a namespace takes part: as the watch knows it, or, where it does not yet, as the API server does. */
export function participation({ meshConfig, namespaces, readNamespace }: ParticipationOptions) {
  return async (name: string, signal: AbortSignal): Promise<boolean> => {
    const config = meshConfig();
    if (name === '' || config.discoverySelectors.length === 0) return true;
    await namespaces.waitForSync(signal);
    const namespace = namespaces.get(name) ?? (await readNamespace(name, signal));
    return takesPart(namespace?.metadata.labels, config);
  };
}
