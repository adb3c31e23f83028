import type { CaptureOptions } from '../iptables/capture-options.ts';
import { buildBootstrap } from './bootstrap/build-bootstrap.ts';
import { secretFiles } from './bootstrap/credentials.ts';
import { buildInitContainer } from './containers/init-container.ts';
import { buildProxyContainer } from './containers/proxy-container.ts';
import { fileAnnotation, volumesOf } from './containers/volumes.ts';
import type { InjectionRequest } from './injection.ts';
import type { MetricsTarget } from './metrics.ts';
import { type Container, initContainerName, type Pod, type PodSpec, proxyContainerName, type SecurityContext } from './pod.ts';
import type { ProbeTarget } from './probes/rewrite-probes.ts';
import type { ProxyOwner } from './proxy-owner.ts';
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
  readonly capture: CaptureOptions;
}): Sidecar {
  const { pod, workload, settings, request, probes, metrics, capture } = input;
  const { config, namespace, shapeBootstrap } = request;
  const built = buildBootstrap({ pod, workload, settings, config, probes, ...(metrics && { metrics }) });
  const bootstrap = shapeBootstrap
    ? shapeBootstrap(built, { namespace: namespace.name, labels: pod.metadata?.labels ?? {} })
    : built;
  const files = config.xds.tls ? secretFiles(config, settings.controlPlaneAddress) : {};
  const { volumes, mounts } = volumesOf(settings, config, Object.keys(files));
  const proxy = buildProxyContainer(settings, config, bootstrap, mounts, pod.spec);
  const init = settings.mode === 'NONE' ? [] : [buildInitContainer(capture, settings, config)];
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
export function podSurprises(
  pod: Pod,
  { mode, isNative }: InjectionSettings,
  capture: CaptureOptions,
  owner: ProxyOwner,
): string[] {
  const surprises: string[] = [];
  const { dnsPolicy, securityContext } = pod.spec as { dnsPolicy?: string; securityContext?: SecurityContext };
  if (dnsPolicy !== undefined && dnsPolicy !== 'ClusterFirst')
    surprises.push(`dnsPolicy is ${dnsPolicy}: the sidecar may not find the control plane by its name`);
  if (mode === 'TPROXY' && owner.runAsUser !== 0)
    surprises.push(
      `container ${proxyContainerName}: runAsUser has no effect, in interception mode TPROXY the sidecar runs as root`,
    );
  if (mode === 'NONE') return surprises;
  // Beside a classic sidecar, init containers end before there are rules, but for those that keep running.
  const captured = [
    ...pod.spec.containers,
    ...(pod.spec.initContainers ?? []).filter(({ restartPolicy }) => isNative || restartPolicy === 'Always'),
  ].filter(({ name }) => name !== proxyContainerName && name !== initContainerName);
  for (const { name, securityContext: own } of captured) {
    const user = own?.runAsUser ?? securityContext?.runAsUser;
    const group = own?.runAsGroup ?? securityContext?.runAsGroup;
    // iptables sees the group that a process makes its files with; supplementary groups, and fsGroup is one, it does not look at.
    const as = [
      ...(user !== undefined && capture.proxyUids.includes(user) ? [`user ${user}`] : []),
      ...(group !== undefined && capture.proxyGids.includes(group) ? [`group ${group}`] : []),
    ];
    if (as.length)
      surprises.push(`container ${name} runs as ${as.join(' and ')}, the sidecar's own: its traffic is not captured`);
  }
  return surprises;
}
