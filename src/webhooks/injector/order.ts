import { type Container, initContainerName, type PodSpec, proxyContainerName } from './pod.ts';
import type { InjectionSettings } from './settings.ts';

/**
 * The containers in Istio's order. Native: istio-init, the sidecar, then the pod's own init containers, which so are in the mesh.
 * Classic: istio-init last, so that the pod's own init containers still have a network; the sidecar last, so that the first container
 * stays the application's, or first where it holds the application.
 */
export function orderContainers(spec: PodSpec, { isNative, holds, mode }: InjectionSettings): PodSpec {
  const { initContainers = [] } = spec;
  // Without capture there is no injected istio-init; one that the pod has is its own affair.
  const injected = [...(mode === 'NONE' ? [] : [initContainerName]), ...(isNative ? [proxyContainerName] : [])];
  const [first, last] = isNative ? [injected, []] : [[], injected];
  const init = [
    ...first.flatMap((name) => named(initContainers, name)),
    ...initContainers.filter(({ name }) => !injected.includes(name)),
    ...last.flatMap((name) => named(initContainers, name)),
  ];
  const rest = spec.containers.filter(({ name }) => name !== proxyContainerName);
  const proxy = named(spec.containers, proxyContainerName);
  return {
    ...spec,
    containers: holds ? [...proxy, ...rest] : [...rest, ...proxy],
    ...(spec.initContainers && { initContainers: init }),
  };
}

function named(containers: readonly Container[], wanted: string): Container[] {
  return containers.filter(({ name }) => name === wanted);
}
