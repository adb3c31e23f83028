import type { ProxyNode } from '../../mesh/proxy.ts';
import type { InboundInstance } from '../../mesh/proxy-view.ts';
import { endpointAddresses, endpointPort } from '../../mesh/service.ts';
import type { ServiceRegistry } from '../../mesh/service-registry.ts';

/**
 * The service ports that a proxy's workload serves: it is an endpoint of theirs, and they belong to the mesh. The same until a change of
 * the mesh names one of the proxy's addresses (`Change.addresses`).
 */
export function findInbound(node: ProxyNode, services: ServiceRegistry): InboundInstance[] {
  const instances = new Map<string, InboundInstance>();
  for (const address of node.ipAddresses) {
    for (const service of services.servicesAt(address)) {
      if (service.spec.isExternal) continue;
      for (const endpoint of service.endpoints) {
        if (!endpointAddresses(endpoint).includes(address)) continue;
        for (const port of service.spec.ports) {
          const targetPort = endpointPort(endpoint, port);
          if (targetPort <= 0) continue;
          const key = `${service.spec.owner} ${service.spec.hostname} ${port.number} ${targetPort}`;
          instances.set(key, { service, port, targetPort });
        }
      }
    }
  }
  return [...instances.keys()].sort().map((key) => instances.get(key)!);
}
