import type { KubernetesServicePort } from '../../../api/kubernetes/service.ts';
import { type Protocol, parseProtocol } from '../../../api/protocol.ts';
import type { DeepReadonly } from '../../../runtime/object.ts';

/** Kubernetes' own names in `appProtocol` (KEP-3726). */
const kubernetesProtocols: Readonly<Record<string, Protocol>> = {
  'kubernetes.io/h2c': 'HTTP2',
  'kubernetes.io/ws': 'HTTP',
  'kubernetes.io/wss': 'HTTPS',
};

/** SMTP, DNS, MySQL, MongoDB: the server speaks first, or the protocol is known, so that sniffing would only break them. */
const neverSniffed: ReadonlySet<number> = new Set([25, 53, 3306, 27017]);

/**
 * The protocol of a Service port by Istio's rules (pkg/config/kube/conversion.go): `appProtocol`, whatever it says, before
 * the port's name, of which the part in front of the first `-` counts; then TCP on ports that are not to be sniffed.
 */
export function protocolOf({ protocol, appProtocol, name = '', port }: DeepReadonly<KubernetesServicePort>): Protocol {
  if (protocol === 'UDP') return 'UDP';
  const known = appProtocol === undefined ? undefined : kubernetesProtocols[appProtocol];
  if (known) return known;
  const text = (appProtocol ?? name).toLowerCase();
  // The only protocol with a hyphen in its name.
  if (text.startsWith('grpc-web')) return 'GRPC-Web';
  const parsed = parseProtocol(text.split('-', 1)[0]);
  return parsed === 'Unsupported' && neverSniffed.has(port) ? 'TCP' : parsed;
}
