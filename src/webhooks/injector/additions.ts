import { isMore } from './containers/quantity.ts';
import {
  type Container,
  type EnvironmentVariable,
  initContainerName,
  type Pod,
  type PodSpec,
  proxyContainerName,
  type Resources,
  type VolumeMount,
} from './pod.ts';
import { type InjectedParts, type OriginalRecord, readRecord, recordAnnotation, statusAnnotation } from './record.ts';

/** What others have put into an injected container since it was injected. */
interface Additions {
  /** Another image, and the one that it has replaced. */
  readonly image?: { readonly now: string; readonly before: string };
  readonly env: readonly EnvironmentVariable[];
  readonly volumeMounts: readonly VolumeMount[];
  readonly requests: Resources['requests'];
  readonly limits: Resources['limits'];
}

/** {@link Additions} by the name of the container. */
export type AllAdditions = ReadonlyMap<string, Additions>;

const injectedNames: readonly string[] = [proxyContainerName, initContainerName];

/** The API server gives every container the token of its service account for it. Neither of the injected ones has a use for it. */
const apiTokenPath = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * What webhooks and admission plugins have added to the injected containers of a pod that comes injected: environment, mounts, requests and
 * limits of names that the injector did not write, and another image. The rest of such a container is made anew.
 * @param pod as it was sent, injected; of any other pod there is nothing
 */
export function additionsOf(pod: Pod): AllAdditions {
  if (pod.metadata?.annotations?.[statusAnnotation] === undefined) return new Map();
  const record = readRecord<OriginalRecord>(pod, recordAnnotation)?.injected ?? {};
  const containers = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
  return new Map(
    injectedNames.flatMap((name) => {
      const container = containers.find((each) => each.name === name);
      const parts = Object.hasOwn(record, name) ? record[name] : undefined;
      return container && parts ? [[name, additionsTo(container, parts)] as const] : [];
    }),
  );
}

function additionsTo({ image, env = [], volumeMounts = [], resources = {} }: Container, parts: InjectedParts): Additions {
  const before = typeof parts.image === 'string' ? parts.image : undefined;
  return {
    ...(image !== undefined && before !== undefined && image !== before && { image: { now: image, before } }),
    env: env.filter(({ name }) => isOther(parts.env, name)),
    volumeMounts: volumeMounts.filter(({ mountPath }) => mountPath !== apiTokenPath && isOther(parts.volumeMounts, mountPath)),
    requests: others(resources.requests, parts.requests),
    limits: others(resources.limits, parts.limits),
  };
}

/** Adds them to the containers as they are injected now. What they would stand in for, and mounts of volumes that are gone, stay out. */
export function addBack(spec: PodSpec, additions: AllAdditions): PodSpec {
  if (additions.size === 0) return spec;
  const volumes = new Set(spec.volumes?.map(({ name }) => name));
  const add = (container: Container): Container => {
    const added = additions.get(container.name);
    if (!added) return container;
    const { env = [], volumeMounts = [] } = container;
    const newEnv = added.env.filter(({ name }) => !env.some((other) => other.name === name));
    const newMounts = added.volumeMounts.filter(
      ({ name, mountPath }) => volumes.has(name) && !volumeMounts.some((other) => other.mountPath === mountPath),
    );
    const resources = withOthers(container.resources, added);
    return {
      ...container,
      // An image that the injector would now choose otherwise has no stand-in yet.
      ...(added.image?.before === container.image && added.image && { image: added.image.now }),
      ...(newEnv.length && { env: [...env, ...newEnv] }),
      ...(newMounts.length && { volumeMounts: [...volumeMounts, ...newMounts] }),
      ...(resources && { resources }),
    };
  };
  return {
    ...spec,
    containers: spec.containers.map(add),
    ...(spec.initContainers && { initContainers: spec.initContainers.map(add) }),
  };
}

/** A request or limit that was added before may not fit what is injected now; then it stays out. */
function withOthers(resources: Resources = {}, { requests, limits }: Additions): Resources | undefined {
  if (!requests && !limits) return undefined;
  const allLimits = { ...limits, ...resources.limits };
  const fits = (resource: string, request: string | number): boolean =>
    allLimits[resource] === undefined || !isMore(request, allLimits[resource]);
  const newRequests = pick(requests, (resource, quantity) => fits(resource, quantity));
  const allRequests = { ...newRequests, ...resources.requests };
  const newLimits = pick(limits, (resource) => allRequests[resource] === undefined || fits(resource, allRequests[resource]));
  const merge = (field: 'requests' | 'limits', more: Quantities) => {
    const merged = { ...resources[field], ...pick(more, (resource) => resources[field]?.[resource] === undefined) };
    return Object.keys(merged).length ? { [field]: merged } : {};
  };
  return { ...resources, ...merge('limits', newLimits), ...merge('requests', newRequests) };
}

type Quantities = Readonly<Record<string, string | number>>;

function pick(from: Quantities = {}, isWanted: (resource: string, quantity: string | number) => boolean): Quantities {
  return Object.fromEntries(Object.entries(from).filter(([resource, quantity]) => isWanted(resource, quantity)));
}

function others(quantities: Quantities | undefined, names: unknown): Quantities | undefined {
  const found = pick(quantities, (resource) => isOther(names, resource));
  return Object.keys(found).length ? found : undefined;
}

/** Of what is no list, nothing is known to be another's. */
function isOther(names: unknown, name: string): boolean {
  return names === undefined || (Array.isArray(names) && !names.includes(name));
}

/** What to remember of the injected containers, so that additions can be told from it. */
export function injectedPartsOf({ containers, initContainers = [] }: PodSpec): Record<string, InjectedParts> {
  return Object.fromEntries(
    [...initContainers, ...containers]
      .filter(({ name }) => injectedNames.includes(name))
      .map(({ name, image, env = [], volumeMounts = [], resources = {} }) => [
        name,
        {
          ...(image !== undefined && { image }),
          ...namesOf(
            'env',
            env.map((variable) => variable.name),
          ),
          ...namesOf(
            'volumeMounts',
            volumeMounts.map(({ mountPath }) => mountPath),
          ),
          ...namesOf('requests', Object.keys(resources.requests ?? {})),
          ...namesOf('limits', Object.keys(resources.limits ?? {})),
        },
      ]),
  );
}

function namesOf(field: keyof InjectedParts, names: readonly string[]): InjectedParts {
  return names.length ? { [field]: names } : {};
}
