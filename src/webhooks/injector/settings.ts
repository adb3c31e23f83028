import type { InterceptionMode } from '../../mesh/proxy.ts';
import { mergeProxyConfig, type ProxyConfig } from '../../mesh/proxy-config.ts';
import { defaultCaptureOptions } from '../iptables/capture-options.ts';
import { type Annotations, readAnnotations } from './annotations/read-annotations.ts';
import { isIstiosProxy, istiosProxyWarning } from './containers/istios-proxy.ts';
import { InjectionRefusal, type InjectionRequest } from './injection.ts';
import { type Container, type Pod, proxyContainerName } from './pod.ts';

/** How one pod is injected: its annotations over its ProxyConfig over the configuration. */
export interface InjectionSettings {
  readonly annotations: Annotations;
  readonly proxyConfig: ProxyConfig;
  readonly mode: InterceptionMode;
  /** The sidecar is an init container that keeps running. */
  readonly isNative: boolean;
  /** The application starts when the sidecar is ready; of classic sidecars, as native ones do so by themselves. */
  readonly holds: boolean;
  /** Where the sidecar answers for the application's probes. Never 0: what asks for 0 gets the configuration's. */
  readonly statusPort: number;
  /** Whether the sidecar has probes of its own; a status port of 0 takes them away. */
  readonly hasOwnProbes: boolean;
  /** Whether what comes after a native sidecar waits until it is ready: it has a startup probe. */
  readonly waitsForSidecar: boolean;
  /** Path of bash in the sidecar's image, for its hooks. Empty: it has none. */
  readonly shell: string;
  /** HOST:PORT. */
  readonly controlPlaneAddress: string;
  readonly rewritesProbes: boolean;
  readonly mergesMetrics: boolean;
  /** The pod's own `istio-proxy`, which is merged over the injected one. */
  readonly ownProxy?: Container;
  readonly warnings: readonly string[];
}

/** Where the mesh's own listeners are, by what they are for. */
const meshPorts = {
  outbound: defaultCaptureOptions.outboundPort,
  inbound: defaultCaptureOptions.inboundPort,
  HBONE: defaultCaptureOptions.tunnelPort,
  DNS: defaultCaptureOptions.dnsPort,
};

/**
 * Reads how a pod is to be injected.
 * Throws an {@link InjectionRefusal} for a bad annotation, and for what cannot be had together.
 * @param pod stripped: as it was before any injection
 */
export function readSettings(pod: Pod, { config, meshConfig }: InjectionRequest): InjectionSettings {
  const { values: annotations, warnings } = readAnnotations(pod.metadata?.annotations ?? {});
  const proxyConfig = mergeProxyConfig(meshConfig.defaultConfig, annotations['proxy.istio.io/config']?.config ?? {});
  const mode = annotations['sidecar.istio.io/interceptionMode'] ?? proxyConfig.interceptionMode ?? 'REDIRECT';
  const isNative = annotations['sidecar.istio.io/nativeSidecar'] ?? config.nativeSidecars ?? true;
  const holds = !isNative && proxyConfig.holdApplicationUntilProxyStarts === true;
  const ownProxy = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].find(({ name }) => name === proxyContainerName);
  const named = imageOf(annotations, ownProxy);
  const image = named?.image ?? config.proxy.image;
  const isDistroless = /distroless/i.test(image);
  const shell = isDistroless ? '' : config.proxy.shell;
  if (holds && shell === '' && !config.proxy.lifecycle) {
    const reason = isDistroless ? `is ${image}` : 'has none by the injection configuration (proxy.shell)';
    throw new InjectionRefusal(
      `holdApplicationUntilProxyStarts of a classic sidecar needs bash in the sidecar's image, which ${reason}; use a native sidecar ` +
        '(annotation sidecar.istio.io/nativeSidecar: "true"), which holds by itself',
    );
  }
  const askedPort = annotations['status.sidecar.istio.io/port'] ?? proxyConfig.statusPort ?? config.ports.status;
  const statusPort = askedPort === 0 ? config.ports.status : askedPort;
  const adminPort = proxyConfig.proxyAdminPort ?? config.ports.admin;
  const refuse = (port: number, where: string, others: Readonly<Record<string, number>>): void => {
    const [use] = Object.entries({ ...meshPorts, ...others }).find(([, taken]) => taken === port) ?? [];
    if (use) throw new InjectionRefusal(`invalid value "${port}" for ${where}: it is the sidecar's ${use} port`);
  };
  const { health, metrics } = config.ports;
  const statusField = 'annotation status.sidecar.istio.io/port (or ProxyConfig statusPort)';
  refuse(statusPort, statusField, { admin: adminPort, health, metrics });
  refuse(adminPort, 'ProxyConfig proxyAdminPort', { health, metrics });
  return {
    annotations,
    proxyConfig,
    mode,
    isNative,
    holds,
    statusPort,
    hasOwnProbes: askedPort !== 0,
    shell,
    waitsForSidecar: askedPort !== 0 && config.proxy.startupProbe.enabled,
    controlPlaneAddress: proxyConfig.discoveryAddress ?? config.xds.address,
    rewritesProbes: annotations['sidecar.istio.io/rewriteAppHTTPProbers'] ?? config.rewriteAppHTTPProbe,
    mergesMetrics: annotations['prometheus.istio.io/merge-metrics'] ?? meshConfig.enablePrometheusMerge,
    ...(ownProxy && { ownProxy }),
    warnings: named && isIstiosProxy(image) ? [...warnings, `${named.by}: ${istiosProxyWarning(image)}`] : warnings,
  };
}

/** The image that the pod itself names for its sidecar, if it does, and where. */
function imageOf(
  annotations: Annotations,
  ownProxy: Container | undefined,
): { readonly image: string; readonly by: string } | undefined {
  const own = ownProxy?.image;
  if (own !== undefined && own !== 'auto') return { image: own, by: `container ${proxyContainerName}` };
  const image = annotations['sidecar.istio.io/proxyImage'];
  return image === undefined ? undefined : { image, by: 'annotation sidecar.istio.io/proxyImage' };
}
