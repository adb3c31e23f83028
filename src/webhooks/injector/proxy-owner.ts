import { InjectionRefusal } from './injection.ts';
import { mergeOwnContainers } from './own-containers.ts';
import { type Container, type PodSpec, proxyContainerName, type SecurityContext } from './pod.ts';
import type { InjectionSettings } from './settings.ts';

/** As whom the sidecar runs, which is how the rules know it. Numbers of Linux. */
export interface ProxyOwner {
  readonly runAsUser: number;
  readonly runAsGroup: number;
}

/** The user and the group of the sidecar, unless a template or the pod's own istio-proxy says otherwise. Istio's. */
const proxyId = 1337;

/** The owner of the injected sidecar. TPROXY sets a socket option that needs NET_ADMIN, which only root gets from Kubernetes. */
export function injectedOwner({ mode }: Pick<InjectionSettings, 'mode'>): ProxyOwner {
  return { runAsUser: mode === 'TPROXY' ? 0 : proxyId, runAsGroup: proxyId };
}

/**
 * The owner of the sidecar as all templates and the pod's own istio-proxy leave it. The rules have to know it before there is the
 * whole container, so they are laid over its user and group alone.
 * Throws an {@link InjectionRefusal} where that leaves no user or no group: then the image's would count, which nobody here knows.
 * @param layTemplates lays the pod's templates over it, with this piece in the place of the built-in one
 * @param own the pod's own containers that customise injected ones
 */
export function ownerOf(
  settings: Pick<InjectionSettings, 'mode' | 'isNative'>,
  layTemplates: (piece: { readonly spec: Partial<PodSpec> }) => { readonly spec: PodSpec },
  own: readonly Container[],
): ProxyOwner {
  const bare: Container = { name: proxyContainerName, securityContext: { ...injectedOwner(settings) } };
  const laid = layTemplates({ spec: { [settings.isNative ? 'initContainers' : 'containers']: [bare] } });
  const securityOfOwn = own.flatMap(({ name, securityContext }) => (securityContext ? [{ name, securityContext }] : []));
  const spec = mergeOwnContainers(laid.spec, securityOfOwn);
  const merged = (settings.isNative ? spec.initContainers : spec.containers)?.find(({ name }) => name === proxyContainerName);
  const ofPod = spec.securityContext as SecurityContext | undefined;
  const read = (field: keyof ProxyOwner): number => {
    const id = merged?.securityContext?.[field] ?? ofPod?.[field];
    if (typeof id === 'number') return id;
    throw new InjectionRefusal(
      `container ${proxyContainerName}: its templates leave it no securityContext.${field}: the rules know the sidecar by it; set a number`,
    );
  };
  return { runAsUser: read('runAsUser'), runAsGroup: read('runAsGroup') };
}
