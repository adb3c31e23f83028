import { addBack, additionsOf, injectedPartsOf } from './additions.ts';
import { asRefusal, captureOptions, isCapturedInbound } from './capture.ts';
import { checkPod } from './check-pod.ts';
import { missingVolumes, refuseTakenVolumes } from './containers/volumes.ts';
import { InjectionRefusal, type InjectionRequest, type InjectionResult, type JsonMap } from './injection.ts';
import { injectedAnnotations, injectedLabels, writeAccount } from './metadata.ts';
import { type MergedMetrics, mergeMetrics } from './metrics.ts';
import { orderContainers } from './order.ts';
import { mergeOwnContainers, surprisesOf, takeOwnContainers } from './own-containers.ts';
import { type Container, initContainerName, type Pod, type PodSpec, podName, proxyContainerName } from './pod.ts';
import { decideInjection } from './policies.ts';
import { type RewrittenProbes, rewriteProbes } from './probes/rewrite-probes.ts';
import { surprisingProbes } from './probes/surprising-probes.ts';
import { ownerOf } from './proxy-owner.ts';
import type { InjectionStatus } from './record.ts';
import { type InjectionSettings, readSettings } from './settings.ts';
import { buildSidecar, forceProxyUser, podSurprises } from './sidecar.ts';
import { mergePod } from './strategic-merge.ts';
import { stripPod } from './strip-pod.ts';
import { sidecarTemplate, type TemplateStep, templatesOf } from './templates.ts';
import { type Workload, workloadOf } from './workload.ts';

/**
 * Decides whether a pod gets a sidecar, and gives it one. Pure: the same request has the same result, and a result that is injected
 * again is itself. A pod is injected whole, left as it is, or refused with everything that is wrong with its annotations.
 */
export function injectPod(request: InjectionRequest): InjectionResult {
  const { pod, namespace } = request;
  try {
    checkPod(pod);
    const { inject, policy, reason } = decideInjection(request);
    if (!inject) return { outcome: 'skipped', policy, reason };
    const stripped = stripPod(pod);
    return { outcome: 'injected', ...injectStripped(stripped, readSettings(stripped, request), request) };
  } catch (cause) {
    const error = asRefusal(cause, pod);
    if (!(error instanceof InjectionRefusal)) throw error;
    return { outcome: 'refused', message: `pod ${podName(pod, namespace.name)} cannot be injected: ${error.message}` };
  }
}

type Injected = Omit<Extract<InjectionResult, { outcome: 'injected' }>, 'outcome'>;

function injectStripped(original: Pod, settings: InjectionSettings, request: InjectionRequest): Injected {
  const steps = templatesOf(original, settings, request);
  const workload = request.workload ?? workloadOf(original);
  return steps.some(({ name }) => name === sidecarTemplate)
    ? injectSidecar(original, steps, workload, settings, request)
    : { pod: withoutSidecar(original, steps, request), warnings: settings.warnings };
}

/** Pieces of pods of the configuration's own, and nothing that needs a sidecar. */
function withoutSidecar(original: Pod, steps: readonly TemplateStep[], { config }: InjectionRequest): Pod {
  const pod = layTemplates(original, steps, {});
  const annotations = { ...pod.metadata?.annotations, 'istio.io/rev': config.revision, ...config.injectedAnnotations };
  const status = statusOf(original.spec, pod.spec, config.revision);
  const account = { status, overrides: undefined, handlers: undefined, injected: undefined };
  return { ...pod, metadata: writeAccount(original.metadata ?? {}, { ...pod.metadata, annotations }, account) };
}

function injectSidecar(
  original: Pod,
  steps: readonly TemplateStep[],
  workload: Workload,
  settings: InjectionSettings,
  request: InjectionRequest,
): Injected {
  const { config } = request;
  const injectedLists = new Map([
    [proxyContainerName, settings.isNative ? 'initContainers' : 'containers'] as const,
    ...(settings.mode === 'NONE' ? [] : [[initContainerName, 'initContainers'] as const]),
  ]);
  const { pod: base, own, overrides } = takeOwnContainers(original, injectedLists);

  // What the sidecar has to know of the pod, it has to know as the other templates leave it.
  const preview = withLabels(layTemplates(base, steps, {}), workload);
  const probes = probesOf(preview, settings, request);
  const owner = ownerOf(settings, (piece) => layTemplates(base, steps, piece), own);
  const capture = captureOptions(config, settings, owner);
  const metrics = mergeMetrics(original.metadata?.annotations ?? {}, settings, ownPorts(settings, request));
  const sidecar = buildSidecar({
    pod: preview,
    workload,
    settings,
    request,
    probes: probes.targets,
    metrics: metrics?.target,
    capture,
  });
  refuseTakenVolumes(base.spec, sidecar.piece.spec.volumes ?? [], settings);

  const merged = layTemplates(base, steps, sidecar.piece);
  const injected = forceProxyUser(mergeOwnContainers(merged.spec, own), settings);
  const whole = addBack(injected, additionsOf(request.pod));
  const rewritten = probesOf({ ...merged, spec: whole }, settings, request);
  const spec = orderContainers(rewritten.pod.spec, settings);
  refuseNoContainer(spec, own);
  const pod = withLabels({ ...merged, spec }, workload);
  const firstContainer = spec.containers.find(({ name }) => name !== proxyContainerName)?.name;
  const annotations = changeTexts(pod.metadata?.annotations ?? {}, {
    ...injectedAnnotations(pod.metadata?.annotations ?? {}, config, firstContainer),
    ...sidecar.annotations,
    ...metrics?.annotations,
  });
  const status = statusOf(base.spec, spec, config.revision);
  return {
    pod: {
      ...pod,
      metadata: writeAccount(
        original.metadata ?? {},
        { ...pod.metadata, annotations },
        { status, overrides, handlers: rewritten.originals, injected: injectedPartsOf(injected) },
      ),
    },
    warnings: [
      ...settings.warnings,
      ...rewritten.warnings,
      ...surprisingProbes(rewritten.handlers, settings, (port) => isCapturedInbound(port, capture)),
      ...missingVolumes(settings, spec),
      ...surprisesOf(own, settings),
      ...podSurprises(original, settings, capture, owner),
    ],
    capture,
  };
}

/** Lays each template over the pod in order; the built-in one is given as `sidecar`. */
function layTemplates(pod: Pod, steps: readonly TemplateStep[], sidecar: JsonMap): Pod {
  return steps.reduce<Pod>((whole, { overlay }) => mergePod(whole, overlay ?? sidecar), pod);
}

function withLabels(pod: Pod, workload: Workload): Pod {
  const labels = pod.metadata?.labels ?? {};
  return { ...pod, metadata: { ...pod.metadata, labels: { ...labels, ...injectedLabels(labels, workload) } } };
}

/** The ports of the sidecar that are not captured: who asks them need not be led anywhere. */
function ownPorts({ statusPort }: InjectionSettings, { config: { ports } }: InjectionRequest): number[] {
  return [statusPort, ports.health, ports.metrics];
}

function probesOf(pod: Pod, settings: InjectionSettings, request: InjectionRequest): RewrittenProbes {
  if (!settings.rewritesProbes) return { pod, targets: [], originals: {}, handlers: [], warnings: [] };
  const { statusPort, isNative } = settings;
  return rewriteProbes(pod, { statusPort, isNative, uncaptured: ownPorts(settings, request) });
}

/** A native sidecar is an init container, and Kubernetes has no pod of init containers alone. */
function refuseNoContainer({ containers }: PodSpec, own: readonly Container[]): void {
  if (containers.length > 0 || own.length === 0) return;
  throw new InjectionRefusal(
    `its only container is ${proxyContainerName}, which customises the injected sidecar, and a native sidecar is an init container, so that no ` +
      'container would be left; rename it if it is the application, or run the sidecar as the only container with the annotation ' +
      'sidecar.istio.io/nativeSidecar: "false"',
  );
}

function changeTexts(
  texts: Readonly<Record<string, string>>,
  changes: NonNullable<MergedMetrics['annotations']>,
): Record<string, string> {
  const changed = { ...texts };
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) delete changed[key];
    else changed[key] = value;
  }
  return changed;
}

/** What a pod has now and had not before, by name. */
function statusOf(before: PodSpec, now: PodSpec, revision: string): InjectionStatus {
  const added = (field: 'initContainers' | 'containers' | 'volumes' | 'imagePullSecrets'): string[] | null => {
    const had = new Set((before[field] ?? []).map(({ name }) => name));
    const names = (now[field] ?? []).map(({ name }) => name).filter((name) => !had.has(name));
    return names.length ? names : null;
  };
  return {
    initContainers: added('initContainers'),
    containers: added('containers'),
    volumes: added('volumes'),
    imagePullSecrets: added('imagePullSecrets'),
    revision,
  };
}
