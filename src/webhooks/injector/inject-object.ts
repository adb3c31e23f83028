import { leaveOutside } from '../admission/participation.ts';
import type { CaptureOptions } from '../iptables/capture-options.ts';
import { injectPod } from './inject-pod.ts';
import type { InjectionRequest, InjectionResult, JsonMap } from './injection.ts';
import type { Pod, PodMetadata, PodSpec } from './pod.ts';

/** What injection has to know besides the object. */
export type ObjectRequest = Pick<InjectionRequest, 'config' | 'meshConfig' | 'shapeBootstrap'> & {
  /**
   * The labels of a namespace by its name; undefined: not known. Where no label says whether it is injected, it is taken for one that the
   * configuration's revision serves.
   */
  readonly labelsOf: (namespace: string) => Readonly<Record<string, string>> | undefined;
};

/** A pod, or the pods of a workload, in an object of a file. */
interface PodInObject {
  /** How a message names it: `Deployment shop/web`. */
  readonly name: string;
  readonly request: InjectionRequest;
  /** Whether all labels of its namespace are known. */
  readonly isPlaceKnown: boolean;
  /** The object with another pod in the place of this one. */
  readonly replace: (pod: Pod) => JsonMap;
}

/** What became of an object. */
export interface ObjectResult {
  readonly name: string;
  readonly result: InjectionResult;
  /** With the sidecar, if the result is `injected`; else as it was. */
  readonly object: JsonMap;
  /** What of its traffic is captured; undefined if it gets no sidecar. */
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
  const result = injectInMesh(found);
  if (result.outcome !== 'injected') return { name: found.name, result, object, capture: undefined };
  return { name: found.name, result, object: found.replace(result.pod), capture: result.capture };
}

/** As the webhook, which leaves pods outside of `discoverySelectors` alone; of a namespace whose labels are not known that is only said. */
function injectInMesh({ request, isPlaceKnown }: PodInObject): InjectionResult {
  const { namespace, meshConfig } = request;
  const result = injectPod(request);
  const labels = { 'kubernetes.io/metadata.name': namespace.name, ...namespace.labels };
  const inMesh = leaveOutside(result, { name: namespace.name, labels }, meshConfig);
  if (inMesh === result || isPlaceKnown || result.outcome !== 'injected') return isPlaceKnown ? inMesh : result;
  const warning =
    `the labels of namespace ${namespace.name} are not known: the webhook injects only where an entry of the mesh config's discoverySelectors ` +
    'matches them; put the Namespace into the file';
  return { ...result, warnings: [...result.warnings, warning] };
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
  const known = labelsOf(namespace);
  const isLabelled = known && ('istio-injection' in known || 'istio.io/rev' in known);
  const labels = isLabelled ? known : { ...known, 'istio.io/rev': rest.config.revision };
  return {
    name: `${kind as string} ${namespace}/${name}`,
    request: {
      ...rest,
      pod,
      namespace: { name: namespace, labels },
      ...(!isPod && { workload: { name, kind: kind as string, apiVersion: String(apiVersion) } }),
    },
    isPlaceKnown: known !== undefined,
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
