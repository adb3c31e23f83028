import { parseProtocol } from '../../api/protocol.ts';
import type { ServiceEntry } from '../../api/service-entry/schema.ts';
import { objectKey } from '../../mesh/object-key.ts';
import type { DeclaredService, ServicePort, ServiceSpec } from '../../mesh/service.ts';
import { wantsAutomaticAddresses } from '../../mesh/service-registry.ts';
import { resolveExportTo } from '../../mesh/visibility.ts';
import type { DeepReadonly } from '../../runtime/object.ts';
import { canonicalAddress, compileEndpoint } from '../endpoint.ts';
import { type Compiled, createdAtMs } from '../fragment-reconciler.ts';

/** Istio's label that keeps a ServiceEntry from being given addresses. */
const allocationLabel = 'networking.istio.io/enable-autoallocate-ip';

/** A ServiceEntry as services of the mesh: one for each of its hosts. */
export function compileServiceEntry(object: DeepReadonly<ServiceEntry>): Compiled {
  const { metadata, spec, status } = object;
  const { resolution = 'NONE' } = spec;
  if (resolution === 'DYNAMIC_DNS') {
    return {
      outcome: 'unsupported',
      finding: {
        severity: 'error',
        path: 'spec.resolution',
        segments: ['spec', 'resolution'],
        message: 'DYNAMIC_DNS is not supported; use DNS with the hosts by name, or NONE',
      },
    };
  }
  const owner = objectKey('ServiceEntry', metadata.namespace, metadata.name);
  const addresses = [...new Set((spec.addresses ?? []).map(canonicalAddress))];
  const ports: ServicePort[] = (spec.ports ?? []).map(({ number, name, protocol, targetPort }) => ({
    number,
    name,
    protocol: parseProtocol(protocol),
    ...(targetPort ? { targetPort } : {}),
  }));
  const endpoints = (spec.endpoints ?? [])
    .map((endpoint) => compileEndpoint(endpoint, owner))
    .filter((endpoint) => endpoint !== undefined);
  const services = [...new Set(spec.hosts.map((host) => host.toLowerCase().replace(/\.$/, '')))].map(
    (hostname): DeclaredService => {
      const base = { hostname, addresses, resolution };
      const compiled: ServiceSpec = {
        ...base,
        namespace: metadata.namespace,
        owner,
        registry: 'External',
        createdAtMs: createdAtMs(object),
        isExternal: spec.location !== 'MESH_INTERNAL',
        visibility: resolveExportTo(spec.exportTo, metadata.namespace),
        ports,
        ...(spec.workloadSelector ? { workloadSelector: spec.workloadSelector.labels ?? {} } : {}),
        // Istio treats it like a headless Service: its clients connect to the workloads themselves.
        ...(spec.workloadSelector && resolution === 'NONE' && !addresses.length ? { isHeadless: true } : {}),
        wantsAddresses: wantsAutomaticAddresses(base) && metadata.labels?.[allocationLabel] !== 'false',
        recordedAddresses: (status?.addresses ?? []).flatMap(({ host, value }) => (host === hostname && value ? [value] : [])),
      };
      return { spec: compiled, endpoints };
    },
  );
  return { outcome: 'accepted', fragment: { kind: 'services', services } };
}
