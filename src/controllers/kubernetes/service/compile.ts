import type { EndpointSlice } from '../../../api/kubernetes/endpoint-slice.ts';
import { exportToAnnotation, type KubernetesService } from '../../../api/kubernetes/service.ts';
import { objectKey } from '../../../mesh/object-key.ts';
import type { DeclaredService, ServicePort, ServiceSpec } from '../../../mesh/service.ts';
import { resolveExportTo } from '../../../mesh/visibility.ts';
import type { DeepReadonly } from '../../../runtime/object.ts';
import { canonicalAddress } from '../../endpoint.ts';
import { createdAtMs } from '../../fragment-reconciler.ts';
import { compileEndpoints, type LocateEndpoint } from '../endpoint-slice/compile.ts';
import { protocolOf } from './protocol.ts';

/** What a Service is compiled with, besides itself. */
export interface ServiceSurroundings {
  /** The slices that name it. */
  readonly slices: readonly DeepReadonly<EndpointSlice>[];
  /** The cluster's DNS domain: `cluster.local`. */
  readonly clusterDomain: string;
  readonly locate: LocateEndpoint;
}

/**
 * A Kubernetes Service as the mesh reads it: behind its cluster IPs, headless, or another name of some host.
 * Undefined for an ExternalName without a name, which the API server would not let through.
 */
export function compileService(
  service: DeepReadonly<KubernetesService>,
  { slices, clusterDomain, locate }: ServiceSurroundings,
): DeclaredService | undefined {
  const { metadata, spec } = service;
  const { namespace, name } = metadata;
  const owner = objectKey('Service', namespace, name);
  const common = {
    hostname: `${name}.${namespace}.svc.${clusterDomain}`,
    namespace,
    owner,
    registry: 'Kubernetes',
    createdAtMs: createdAtMs(service),
    visibility: resolveExportTo(exportToOf(service), namespace),
    wantsAddresses: false,
    recordedAddresses: [],
  } as const;
  if (spec.type === 'ExternalName') {
    const aliasOf = spec.externalName?.toLowerCase().replace(/\.$/, '');
    if (!aliasOf) return undefined;
    return { spec: { ...common, resolution: 'NONE', isExternal: true, addresses: [], ports: [], aliasOf }, endpoints: [] };
  }
  const ports = compilePorts(service);
  const isHeadless = spec.clusterIP === 'None';
  const addresses = isHeadless ? [] : clusterAddresses(service);
  const selector = spec.selector ?? {};
  const compiled: ServiceSpec = {
    ...common,
    // A client of a headless Service picks a pod by its address, and is led to just that.
    resolution: isHeadless ? 'NONE' : 'STATIC',
    isExternal: false,
    addresses,
    ports,
    ...(isHeadless ? { isHeadless } : {}),
    ...(!isHeadless && Object.keys(selector).length ? { workloadSelector: selector } : {}),
  };
  return { spec: compiled, endpoints: compileEndpoints(slices, ports, owner, locate) };
}

/** Only TCP: UDP and SCTP are not the proxy's business, and may share a number with a TCP port. */
function compilePorts({ spec }: DeepReadonly<KubernetesService>): ServicePort[] {
  return (spec.ports ?? [])
    .filter(({ protocol = 'TCP' }) => protocol === 'TCP')
    .map((port) => ({
      number: port.port,
      name: port.name ?? '',
      protocol: protocolOf(port),
      ...(typeof port.targetPort === 'number' && port.targetPort > 0 ? { targetPort: port.targetPort } : {}),
      ...(typeof port.targetPort === 'string' ? { targetPortName: port.targetPort } : {}),
    }));
}

function clusterAddresses({ spec }: DeepReadonly<KubernetesService>): string[] {
  const { clusterIP, clusterIPs } = spec;
  const addresses = clusterIPs?.length ? clusterIPs : clusterIP ? [clusterIP] : [];
  return addresses.filter((address) => address !== '').map(canonicalAddress);
}

/** Istio: without `*`, a `~` anywhere hides the Service from everyone. */
function exportToOf({ metadata }: DeepReadonly<KubernetesService>): string[] {
  const entries = (metadata.annotations?.[exportToAnnotation] ?? '').split(',').map((entry) => entry.trim());
  const exportTo = entries.filter((entry) => entry !== '');
  return exportTo.includes('~') && !exportTo.includes('*') ? ['~'] : exportTo;
}
