import { type Finding, formatPath } from '../../api/finding.ts';
import { parseProtocol } from '../../api/protocol.ts';
import { parseEgressHost } from '../../api/sidecar/egress-hosts.ts';
import type {
  IstioEgressListener,
  IstioIngressListener,
  OutboundTrafficPolicy as PolicySpec,
  Sidecar,
  SidecarPort,
  SidecarSpec,
} from '../../api/sidecar/schema.ts';
import { objectKey } from '../../mesh/object-key.ts';
import type { EgressSpec, HostPattern, IngressSpec, ListenerPort, OutboundTrafficPolicy } from '../../mesh/sidecar.ts';
import type { DeepReadonly } from '../../runtime/object.ts';
import { type Compiled, createdAtMs } from '../fragment-reconciler.ts';
import { compileConnectionPool } from './connection-pool.ts';
import { compileServerTls } from './server-tls.ts';

/** A Sidecar as the mesh reads it: hosts taken apart, protocols and durations parsed. */
export function compileSidecar(object: DeepReadonly<Sidecar>): Compiled {
  const { metadata, spec } = object;
  const { workloadSelector, outboundTrafficPolicy } = spec;
  return {
    outcome: 'accepted',
    warnings: findIgnored(spec),
    fragment: {
      kind: 'sidecar',
      sidecar: {
        key: objectKey('Sidecar', metadata.namespace, metadata.name),
        namespace: metadata.namespace,
        name: metadata.name,
        createdAtMs: createdAtMs(object),
        // Istio: a selector without labels is one all the same, which selects every workload of the namespace.
        ...(workloadSelector ? { workloadSelector: workloadSelector.labels ?? {} } : {}),
        egress: (spec.egress ?? []).map((listener) => compileEgress(listener)),
        ingress: (spec.ingress ?? []).map(compileIngress),
        ...(spec.inboundConnectionPool ? { inboundConnectionPool: compileConnectionPool(spec.inboundConnectionPool) } : {}),
        ...(outboundTrafficPolicy ? { outboundTrafficPolicy: compilePolicy(outboundTrafficPolicy) } : {}),
      },
    },
  };
}

function compileEgress(listener: DeepReadonly<IstioEgressListener>): EgressSpec {
  const { port, bind, captureMode = 'DEFAULT', hosts } = listener;
  return {
    ...(port ? { port: compilePort(port) } : {}),
    ...(bind ? { bind } : {}),
    captureMode,
    hosts: hosts.flatMap(compileHost),
  };
}

/** A bare `~` namespace imports nothing; after the exclusion mark no namespace means any. */
function compileHost(entry: string): HostPattern[] {
  const parsed = parseEgressHost(entry);
  if (!parsed) return [];
  const { namespace, excluded } = parsed;
  const host = parsed.host.toLowerCase();
  if (namespace === '' && excluded && host === '*') return [];
  return [{ namespace: namespace === '' ? '*' : namespace, host, ...(excluded ? { isExcluded: true } : {}) }];
}

function compileIngress(listener: DeepReadonly<IstioIngressListener>): IngressSpec {
  const { port, bind, captureMode = 'DEFAULT', defaultEndpoint, connectionPool } = listener;
  const tls = listener.tls && compileServerTls(listener.tls);
  return {
    port: compilePort(port),
    ...(bind ? { bind } : {}),
    captureMode,
    ...(tls ? { tls } : {}),
    ...(connectionPool ? { connectionPool: compileConnectionPool(connectionPool) } : {}),
    ...(defaultEndpoint ? { defaultEndpoint } : {}),
  };
}

function compilePort({ number = 0, name = '', protocol }: DeepReadonly<SidecarPort>): ListenerPort {
  return { number, name, protocol: parseProtocol(protocol) };
}

/** Istio: a policy that is given but names no mode is REGISTRY_ONLY, the enumeration's first value. */
function compilePolicy({ mode = 'REGISTRY_ONLY', egressProxy }: DeepReadonly<PolicySpec>): OutboundTrafficPolicy {
  if (!egressProxy || mode !== 'ALLOW_ANY') return { mode };
  const { host, port, subset } = egressProxy;
  return { mode, egressProxy: { host: host.toLowerCase(), port: port?.number ?? 0, ...(subset ? { subset } : {}) } };
}

/** Legal fields that nothing comes of: said, because a setting that silently did nothing would be worse. */
function findIgnored({ outboundTrafficPolicy }: DeepReadonly<SidecarSpec>): Finding[] {
  const { host, subset } = outboundTrafficPolicy?.egressProxy ?? {};
  if (!subset) return [];
  const segments = ['spec', 'outboundTrafficPolicy', 'egressProxy', 'subset'];
  const message = `names a subset of ${host}, which a DestinationRule would have to define; Weft does not read that kind, so unknown traffic is refused`;
  return [{ severity: 'warning', path: formatPath(segments), segments, message }];
}
