import { tlsModeLabel } from './metadata.ts';
import { type Container, type Handler, type Pod, type PodMetadata, proxyContainerName } from './pod.ts';
import { handlersOf, replaceHandlers } from './probes/handlers.ts';
import {
  type ContainerOverrides,
  type InjectionStatus,
  type OriginalRecord,
  overridesAnnotation,
  readRecord,
  recordAnnotation,
  statusAnnotation,
} from './record.ts';

/**
 * The pod as it was before it was injected; a pod that was not is given back as it is. What others have added since is kept.
 * Of a pod that Istio injected, which keeps no record of its own, everything is taken away that its status names and its probes are
 * led back to where they went.
 */
export function stripPod(pod: Pod): Pod {
  const status = readRecord<InjectionStatus>(pod, statusAnnotation);
  if (!status) return pod;
  const overrides = readRecord<ContainerOverrides>(pod, overridesAnnotation) ?? {};
  const record = readRecord<OriginalRecord>(pod, recordAnnotation) ?? recordOfIstio(pod);
  const { containers: _, initContainers: __, volumes, imagePullSecrets, ...spec } = pod.spec;
  const own = ownContainers(overrides);
  const restore = (list: 'containers' | 'initContainers'): Container[] => {
    const kept = without(pod.spec[list], status[list]);
    for (const { container, origin } of own) {
      if (origin.list === list && !kept.some(({ name }) => name === container.name)) kept.splice(origin.index, 0, container);
    }
    return kept.map((container) => replaceHandlers(container, record.handlers ?? {}));
  };
  return {
    ...pod,
    ...(pod.metadata && { metadata: restoreMetadata(pod.metadata, record) }),
    spec: {
      ...spec,
      containers: restore('containers'),
      ...unlessEmpty('initContainers', restore('initContainers')),
      ...unlessEmpty('volumes', without(volumes, status.volumes)),
      ...unlessEmpty('imagePullSecrets', without(imagePullSecrets, status.imagePullSecrets)),
    },
  };
}

function without<Entry extends { readonly name: string }>(list: readonly Entry[] = [], names: unknown): Entry[] {
  const injected = new Set(Array.isArray(names) ? names : []);
  return list.filter(({ name }) => !injected.has(name));
}

/** The pod's own containers and where each stood, in the order in which they are put back. Only what has a name is believed. */
function ownContainers(overrides: ContainerOverrides) {
  const { origins = {} } = overrides;
  return (['containers', 'initContainers'] as const)
    .flatMap((list) =>
      (Array.isArray(overrides[list]) ? overrides[list] : []).map((container: Container) => ({ list, container })),
    )
    .filter(({ container }) => typeof container?.name === 'string')
    .map(({ list, container }) => ({ container, origin: origins[container.name] ?? { list, index: Number.MAX_SAFE_INTEGER } }))
    .sort((a, b) => a.origin.index - b.origin.index);
}

function restoreMetadata(metadata: PodMetadata, record: OriginalRecord): PodMetadata {
  const { labels, annotations, ...rest } = metadata;
  const gone = { [statusAnnotation]: null, [overridesAnnotation]: null, [recordAnnotation]: null };
  return {
    ...rest,
    ...unlessEmpty('labels', restoreTexts(labels, record.labels)),
    ...unlessEmpty('annotations', restoreTexts(annotations, { ...record.annotations, ...gone })),
  };
}

function restoreTexts(
  texts: Readonly<Record<string, string>> = {},
  originals: Readonly<Record<string, string | null>> = {},
): Record<string, string> {
  const restored = { ...texts };
  for (const [key, original] of Object.entries(originals)) {
    if (original === null) delete restored[key];
    else restored[key] = original;
  }
  return restored;
}

/**
 * What Istio's injector changed, as far as it can be told. Whether the label was the pod's own it does not say; either way it
 * announces a sidecar of Istio's, and that is gone.
 */
function recordOfIstio(pod: Pod): OriginalRecord {
  const announces = pod.metadata?.labels?.[tlsModeLabel] === 'istio';
  return { handlers: handlersOfIstio(pod), ...(announces && { labels: { [tlsModeLabel]: null } }) };
}

/** Istio's agent gets the original probes in this variable. */
function handlersOfIstio(pod: Pod): Record<string, Handler> {
  const proxy = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].find(({ name }) => name === proxyContainerName);
  const text = proxy?.env?.find(({ name }) => name === 'ISTIO_KUBE_APP_PROBERS')?.value;
  return text === undefined ? {} : handlersOf(text);
}

function unlessEmpty<Key extends string>(key: Key, value: object): { readonly [K in Key]?: never } {
  return (Object.keys(value).length ? { [key]: value } : {}) as unknown as { readonly [K in Key]?: never };
}
