import type { Resource } from '../envoy/resource.ts';
import type { ProxyView } from '../mesh/proxy-view.ts';
import { buildBlackHoleCluster, buildInboundPassthroughCluster, buildPassthroughCluster } from './clusters/fixed-clusters.ts';
import { buildInboundCluster } from './clusters/inbound-cluster.ts';
import { buildDnsTcpListener, servesDns } from './listeners/dns-listeners.ts';
import { buildInboundListener, inboundPorts } from './listeners/inbound-listener.ts';
import { buildVirtualInbound, buildVirtualOutbound } from './listeners/virtual-listeners.ts';

/** What a proxy gets whatever the services are: the clusters of last resort, the virtual listeners, its inbound side. */
export function buildFixedResources(view: ProxyView): Resource[] {
  const { traits, config } = view;
  const ports = inboundPorts(view);
  const isIntercepted = traits.interceptionMode !== 'NONE';
  return [
    buildPassthroughCluster(config),
    buildBlackHoleCluster(config),
    ...(isIntercepted ? [buildInboundPassthroughCluster(config, traits.ipFamilies)] : []),
    ...ports.map((port) => buildInboundCluster(port, traits, config)),
    ...ports.filter((port) => port.bindsToPort).map((port) => buildInboundListener(view, port)),
    ...(isIntercepted
      ? [
          buildVirtualOutbound(view),
          buildVirtualInbound(
            view,
            ports.filter((port) => !port.bindsToPort),
          ),
        ]
      : []),
    ...(servesDns(traits) ? [buildDnsTcpListener(view)] : []),
  ];
}
