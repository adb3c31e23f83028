import { type Finding, formatPath } from '../../api/finding.ts';
import { parseProtocol } from '../../api/protocol.ts';
import { parseEgressHost } from '../../api/sidecar/egress-hosts.ts';
import type { IstioEgressListener, IstioIngressListener, Sidecar, SidecarPort, SidecarSpec } from '../../api/sidecar/schema.ts';
import { objectKey } from '../../mesh/object-key.ts';
import type { EgressSpec, HostPattern, IngressSpec, ListenerPort } from '../../mesh/sidecar.ts';
import type { DeepReadonly } from '../../runtime/object.ts';
import { type Compiled, createdAtMs } from '../fragment-reconciler.ts';

/** A Sidecar as the mesh reads it: hosts taken apart, `.` resolved, protocols parsed. */
export function compileSidecar(object: DeepReadonly<Sidecar>): Compiled {
  const { metadata, spec } = object;
  const { workloadSelector, outboundTrafficPolicy } = spec;
  const labels = workloadSelector?.labels ?? {};
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
        ...(Object.keys(labels).length ? { workloadSelector: labels } : {}),
        egress: (spec.egress ?? []).map((listener) => compileEgress(listener, metadata.namespace)),
        ingress: (spec.ingress ?? []).map(compileIngress),
        // Istio: a policy that is given but names no mode is REGISTRY_ONLY, the enumeration's first value.
        ...(outboundTrafficPolicy ? { outboundTrafficMode: outboundTrafficPolicy.mode ?? 'REGISTRY_ONLY' } : {}),
      },
    },
  };
}

function compileEgress(listener: DeepReadonly<IstioEgressListener>, namespace: string): EgressSpec {
  const { port, bind, captureMode = 'DEFAULT', hosts } = listener;
  return {
    ...(port ? { port: compilePort(port) } : {}),
    ...(bind ? { bind } : {}),
    captureMode,
    hosts: hosts.flatMap((host) => compileHost(host, namespace)),
  };
}

/** A bare `~` namespace imports nothing; after the exclusion mark no namespace means any. */
function compileHost(entry: string, ownNamespace: string): HostPattern[] {
  const parsed = parseEgressHost(entry);
  if (!parsed) return [];
  const { namespace, excluded } = parsed;
  const host = parsed.host.toLowerCase();
  if (namespace === '' && excluded && host === '*') return [];
  const resolved = namespace === '.' ? ownNamespace : namespace === '' ? '*' : namespace;
  return [{ namespace: resolved, host, ...(excluded ? { isExcluded: true } : {}) }];
}

function compileIngress(listener: DeepReadonly<IstioIngressListener>): IngressSpec {
  const { port, bind, captureMode = 'DEFAULT', defaultEndpoint } = listener;
  return { port: compilePort(port), ...(bind ? { bind } : {}), captureMode, ...(defaultEndpoint ? { defaultEndpoint } : {}) };
}

function compilePort({ number = 0, name = '', protocol }: DeepReadonly<SidecarPort>): ListenerPort {
  return { number, name, protocol: parseProtocol(protocol) };
}

/** Legal fields that this version reads and does not act on: said, because a setting that silently did nothing would be worse. */
function findIgnored(spec: DeepReadonly<SidecarSpec>): Finding[] {
  const ignored: (string | number)[][] = [];
  if (spec.inboundConnectionPool) ignored.push(['inboundConnectionPool']);
  if (spec.outboundTrafficPolicy?.egressProxy) ignored.push(['outboundTrafficPolicy', 'egressProxy']);
  for (const [index, { tls, connectionPool }] of (spec.ingress ?? []).entries()) {
    if (tls) ignored.push(['ingress', index, 'tls']);
    if (connectionPool) ignored.push(['ingress', index, 'connectionPool']);
  }
  return ignored.map((rest) => {
    const segments = ['spec', ...rest];
    return { severity: 'warning', path: formatPath(segments), segments, message: 'is not applied by this version of Weft' };
  });
}
