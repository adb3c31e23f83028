import { buildBootstrap } from './bootstrap/build-bootstrap.ts';
import { secretFiles } from './bootstrap/credentials.ts';
import { captureOptions } from './capture.ts';
import { buildInitContainer } from './containers/init-container.ts';
import { buildProxyContainer, proxyId } from './containers/proxy-container.ts';
import { fileAnnotation, volumesOf } from './containers/volumes.ts';
import type { InjectionRequest } from './injection.ts';
import type { MetricsTarget } from './metrics.ts';
import { type Container, type Pod, type PodSpec, proxyContainerName } from './pod.ts';
import type { ProbeTarget } from './probes/rewrite-probes.ts';
import type { InjectionSettings } from './settings.ts';
import type { Workload } from './workload.ts';

/** What the built-in template adds to a pod. */
export interface Sidecar {
  /** To be laid over the pod. */
  readonly piece: { readonly spec: Partial<PodSpec> };
  /** Annotations that its volumes refer to. */
  readonly annotations: Readonly<Record<string, string>>;
}

/** Builds the built-in template for a pod that is as all other templates leave it. */
export function buildSidecar(input: {
  readonly pod: Pod;
  readonly workload: Workload;
  readonly settings: InjectionSettings;
  readonly request: InjectionRequest;
  readonly probes: readonly ProbeTarget[];
  readonly metrics: MetricsTarget | undefined;
}): Sidecar {
  const { pod, workload, settings, request, probes, metrics } = input;
  const { config, namespace, shapeBootstrap } = request;
  const built = buildBootstrap({ pod, workload, settings, config, probes, ...(metrics && { metrics }) });
  const bootstrap = shapeBootstrap
    ? shapeBootstrap(built, { namespace: namespace.name, labels: pod.metadata?.labels ?? {} })
    : built;
  const files = config.xds.tls ? secretFiles(config, settings.controlPlaneAddress) : {};
  const { volumes, mounts } = volumesOf(settings, config, Object.keys(files));
  const proxy = buildProxyContainer(settings, config, bootstrap, mounts);
  const init = settings.mode === 'NONE' ? [] : [buildInitContainer(captureOptions(config, settings), settings, config)];
  const initContainers = [...init, ...(settings.isNative ? [proxy] : [])];
  return {
    piece: {
      spec: {
        ...(!settings.isNative && { containers: [proxy] }),
        ...(initContainers.length && { initContainers }),
        ...(volumes.length && { volumes }),
        ...(config.imagePullSecrets.length && { imagePullSecrets: config.imagePullSecrets.map((name) => ({ name })) }),
      },
    },
    annotations: Object.fromEntries(
      Object.entries(files).map(([file, content]) => [fileAnnotation(file), JSON.stringify(content)]),
    ),
  };
}

/** In TPROXY the sidecar is root whatever the pod's own istio-proxy says: it needs a capability that no other user gets. */
export function forceProxyUser(spec: PodSpec, { mode }: InjectionSettings): PodSpec {
  if (mode !== 'TPROXY') return spec;
  const force = (container: Container): Container =>
    container.name === proxyContainerName
      ? { ...container, securityContext: { ...container.securityContext, runAsUser: 0, runAsNonRoot: false } }
      : container;
  return {
    ...spec,
    containers: spec.containers.map(force),
    ...(spec.initContainers && { initContainers: spec.initContainers.map(force) }),
  };
}

/** What is legal in a pod, and surprises in a mesh. */
export function podSurprises(pod: Pod, { mode, ownProxy }: InjectionSettings): string[] {
  const surprises: string[] = [];
  const { dnsPolicy, securityContext } = pod.spec as { dnsPolicy?: string; securityContext?: { runAsUser?: number } };
  if (dnsPolicy !== undefined && dnsPolicy !== 'ClusterFirst')
    surprises.push(`dnsPolicy is ${dnsPolicy}: the sidecar may not find the control plane by its name`);
  if (mode === 'TPROXY' && ownProxy?.securityContext?.runAsUser)
    surprises.push(
      `container ${proxyContainerName}: runAsUser has no effect, in interception mode TPROXY the sidecar runs as root`,
    );
  const proxyUser = mode === 'REDIRECT' ? (ownProxy?.securityContext?.runAsUser ?? proxyId) : undefined;
  for (const { name, securityContext: own } of [...pod.spec.containers, ...(pod.spec.initContainers ?? [])]) {
    if (name === proxyContainerName || proxyUser === undefined) continue;
    if ((own?.runAsUser ?? securityContext?.runAsUser) === proxyUser)
      surprises.push(`container ${name} runs as user ${proxyUser}, the sidecar's own: its traffic is not captured`);
  }
  return surprises;
}
