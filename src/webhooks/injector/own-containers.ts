import { refuseExcess } from './containers/resources.ts';
import { InjectionRefusal } from './injection.ts';
import { type Container, initContainerName, type Pod, type PodSpec, proxyContainerName } from './pod.ts';
import type { ContainerOverrides } from './record.ts';
import type { InjectionSettings } from './settings.ts';
import { mergeContainer } from './strategic-merge.ts';

type ListName = 'containers' | 'initContainers';

/** A pod without its own `istio-proxy` and `istio-init`, and what they were. */
export interface TakenContainers {
  readonly pod: Pod;
  readonly own: readonly Container[];
  /** What the annotation remembers of them; undefined: there were none. */
  readonly overrides?: ContainerOverrides;
}

/**
 * Takes those containers out of a pod that customise injected ones. The pod's `istio-proxy` may stand in either list, wherever the
 * injected one is going to stand.
 * @param injected the injected containers' names, and the list in which each is going to stand
 */
export function takeOwnContainers(pod: Pod, injected: ReadonlyMap<string, ListName>): TakenContainers {
  const { containers, initContainers = [] } = pod.spec;
  if (injected.has(initContainerName) && containers.some(({ name }) => name === initContainerName)) {
    throw new InjectionRefusal(
      `it has a container named ${initContainerName}, which is the name of an injected init container; rename it, or move it to ` +
        'initContainers to customise that one',
    );
  }
  const own: Container[] = [];
  const overrides: {
    containers?: Container[];
    initContainers?: Container[];
    origins: Record<string, { list: ListName; index: number }>;
  } = {
    origins: {},
  };
  for (const list of ['containers', 'initContainers'] as const) {
    for (const [index, container] of (pod.spec[list] ?? []).entries()) {
      const target = injected.get(container.name);
      if (!target) continue;
      own.push(container);
      overrides[target] = [...(overrides[target] ?? []), container];
      overrides.origins[container.name] = { list, index };
    }
  }
  if (own.length === 0) return { pod, own };
  const isOther = (container: Container): boolean => !own.includes(container);
  const spec = {
    ...pod.spec,
    containers: containers.filter(isOther),
    ...(pod.spec.initContainers && { initContainers: initContainers.filter(isOther) }),
  };
  return { pod: { ...pod, spec }, own, overrides };
}

/**
 * Merges the pod's own containers over the injected ones of their names, as Kubernetes merges a patch; `image: auto` keeps the injected
 * image, and how that is pulled unless something else than Always is said: API servers default to Always for the name `auto`. When they are started again is the injected one's affair: a native sidecar always, the others as Kubernetes does of itself.
 */
export function mergeOwnContainers(spec: PodSpec, own: readonly Container[]): PodSpec {
  const merge = (container: Container): Container => {
    const over = own.find(({ name }) => name === container.name);
    if (!over) return container;
    const { image, imagePullPolicy, restartPolicy: _, restartPolicyRules: __, ...rest } = over;
    const isInjected = image === undefined || image === 'auto';
    const pulled = imagePullPolicy === undefined || (isInjected && imagePullPolicy === 'Always') ? {} : { imagePullPolicy };
    const merged = mergeContainer(container, { ...(!isInjected && { image }), ...pulled, ...rest });
    refuseExcess(merged, over);
    return merged;
  };
  return {
    ...spec,
    containers: spec.containers.map(merge),
    ...(spec.initContainers && { initContainers: spec.initContainers.map(merge) }),
  };
}

/** What is legal in the pod's own `istio-proxy` and `istio-init`, and surprises. */
export function surprisesOf(own: readonly Container[], { isNative }: InjectionSettings): string[] {
  const proxy = own.find(({ name }) => name === proxyContainerName);
  const args = proxy?.args
    ? [`container ${proxyContainerName}: its args replace the injected ones, and with them the sidecar's bootstrap`]
    : [];
  const policies = own.flatMap(({ name, restartPolicy }) => {
    const isSidecar = name === proxyContainerName;
    if (restartPolicy === undefined || (isSidecar && isNative && restartPolicy === 'Always')) return [];
    const why = !isSidecar
      ? 'it has to end before the application starts'
      : isNative
        ? "a native sidecar's is Always"
        : 'a classic sidecar has none of its own';
    return [`container ${name}: restartPolicy ${restartPolicy} has no effect: ${why}`];
  });
  return [...args, ...policies];
}
