import type { CaptureOptions } from '../iptables/capture-options.ts';
import { captureOptionsOf } from './capture.ts';
import { injectPod } from './inject-pod.ts';
import type { InjectionRequest, InjectionResult, JsonMap } from './injection.ts';
import type { Pod, PodMetadata, PodSpec } from './pod.ts';

/** What injection has to know besides the object. */
export type ObjectRequest = Pick<InjectionRequest, 'config' | 'meshConfig' | 'shapeBootstrap'> & {
  /** The labels of a namespace by its name; undefined: not known, which is taken for one that is injected by the configuration's revision. */
  readonly labelsOf: (namespace: string) => Readonly<Record<string, string>> | undefined;
};

/** A pod, or the pods of a workload, in an object of a file. */
interface PodInObject {
  /** How a message names it: `Deployment shop/web`. */
  readonly name: string;
  readonly request: InjectionRequest;
  /** The object with another pod in the place of this one. */
  readonly replace: (pod: Pod) => JsonMap;
}

/** What became of an object. */
export interface ObjectResult {
  readonly name: string;
  readonly result: InjectionResult;
  /** With the sidecar, if the result is `injected`; else as it was. */
  readonly object: JsonMap;
  /** What of its traffic is captured; undefined if it is not injected. */
  readonly capture: CaptureOptions | undefined;
}

/** Where each kind has its pod. */
const templatePaths: Readonly<Record<string, readonly string[]>> = {
  Pod: [],
  Deployment: ['spec', 'template'],
  ReplicaSet: ['spec', 'template'],
  StatefulSet: ['spec', 'template'],
  DaemonSet: ['spec', 'template'],
  ReplicationController: ['spec', 'template'],
  Job: ['spec', 'template'],
  DeploymentConfig: ['spec', 'template'],
  Rollout: ['spec', 'template'],
  CronJob: ['spec', 'jobTemplate', 'spec', 'template'],
};

/**
 * Injects the pod of an object from a file as the webhook would inject it when it is created: a Pod, or a workload with a template of
 * pods. Undefined for every other object.
 */
export function injectObject(object: JsonMap, request: ObjectRequest): ObjectResult | undefined {
  const found = findPod(object, request);
  if (!found) return undefined;
  const result = injectPod(found.request);
  if (result.outcome !== 'injected') return { name: found.name, result, object, capture: undefined };
  return { name: found.name, result, object: found.replace(result.pod), capture: captureOptionsOf(found.request) };
}

function findPod(object: JsonMap, { labelsOf, ...rest }: ObjectRequest): PodInObject | undefined {
  const { kind, apiVersion } = object;
  const path = typeof kind === 'string' && Object.hasOwn(templatePaths, kind) ? templatePaths[kind]! : undefined;
  const content = path?.reduce<unknown>((part, field) => (isMap(part) ? part[field] : undefined), object);
  if (!path || !isMap(content) || !isPodSpec(content.spec)) return undefined;
  const metadata = (isMap(object.metadata) ? object.metadata : {}) as PodMetadata;
  const { name = '', namespace = 'default' } = metadata;
  const isPod = path.length === 0;
  const template = withoutNulls({ ...content, spec: content.spec }) as Pod;
  // A template's pods get names of their own; the workload's says where they come from in a message.
  const pod = isPod ? template : { ...template, metadata: { ...template.metadata, generateName: `${name}-` } };
  const labels = labelsOf(namespace) ?? { 'istio.io/rev': rest.config.revision };
  return {
    name: `${kind as string} ${namespace}/${name}`,
    request: {
      ...rest,
      pod,
      namespace: { name: namespace, labels },
      ...(!isPod && { workload: { name, kind: kind as string, apiVersion: String(apiVersion) } }),
    },
    replace: (injected) => replaceAt(object, path, isPod ? injected : withoutGeneratedName(injected, template)) as JsonMap,
  };
}

function withoutGeneratedName(injected: Pod, template: Pod): Pod {
  const { generateName: _, ...metadata } = injected.metadata ?? {};
  const { generateName } = template.metadata ?? {};
  return { ...injected, metadata: { ...metadata, ...(generateName !== undefined && { generateName }) } };
}

function replaceAt(object: unknown, [field, ...rest]: readonly string[], value: unknown): unknown {
  return field === undefined ? value : { ...(object as JsonMap), [field]: replaceAt((object as JsonMap)[field], rest, value) };
}

/** `null` in a file is as nothing, as it is before an API server. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isMap(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, content]) => content !== null)
      .map(([key, content]) => [key, withoutNulls(content)]),
  );
}

function isPodSpec(value: unknown): value is PodSpec {
  return isMap(value) && Array.isArray(value.containers);
}

function isMap(value: unknown): value is JsonMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
