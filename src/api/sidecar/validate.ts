import { ipAddressProblem, isUnixAddress, unixAddressProblem } from '../address.ts';
import type { Place } from '../finding.ts';
import { domainProblem, isDnsLabel } from '../hostname.ts';
import { checkWorkloadSelector } from '../selector.ts';
import { shown } from '../structure.ts';
import { checkEgressHosts } from './egress-hosts.ts';
import { checkInboundPool, checkIngress } from './ingress.ts';
import { checkPort } from './port.ts';
import type { IstioEgressListener, OutboundTrafficPolicy, Sidecar, SidecarPort } from './schema.ts';

/** Istio's `ValidateSidecar`, rule by rule. */
export function checkSidecar(object: Sidecar, place: Place): void {
  const { spec, metadata } = object;
  const { ingress = [], egress = [] } = spec;
  if (ingress.length === 0 && egress.length === 0 && !spec.outboundTrafficPolicy && !spec.inboundConnectionPool) {
    place.error('is empty; set ingress, egress, outboundTrafficPolicy or inboundConnectionPool');
  }
  checkWorkloadSelector(spec.workloadSelector, place.at('workloadSelector'));
  checkIngress(ingress, place.at('ingress'));
  checkEgress(egress, metadata.namespace, place.at('egress'));
  checkInboundPool(spec.inboundConnectionPool, place.at('inboundConnectionPool'));
  if (spec.outboundTrafficPolicy) checkOutboundTrafficPolicy(spec.outboundTrafficPolicy, place.at('outboundTrafficPolicy'));
}

function checkEgress(egress: readonly IstioEgressListener[], namespace: string, place: Place): void {
  const binds = new Map<number | string, number>();
  for (const [index, listener] of egress.entries()) {
    const at = place.at(index);
    checkEgressHosts(listener.hosts, namespace, at.at('hosts'));
    if (!listener.port) {
      if (index !== egress.length - 1)
        at.error('has no port, so it covers every port; such a listener must be the last one, and there can be one only');
      if (listener.bind) at.at('bind').warning('is set without a port; each port of the hosts listens on it');
      continue;
    }
    checkEgressPort(listener, listener.port, at);
    const { number = 0 } = listener.port;
    const key = number === 0 ? (listener.bind ?? '') : number;
    const same = binds.get(key);
    if (same !== undefined && number === 0) at.at('bind').error(`${shown(String(key))} is already the socket of egress[${same}]`);
    else if (same !== undefined) at.at('port', 'number').error(`${key} is already the port of egress[${same}]`);
    else binds.set(key, index);
  }
}

function checkEgressPort(listener: IstioEgressListener, port: SidecarPort, place: Place): void {
  const { bind = '', captureMode = 'DEFAULT' } = listener;
  checkPort(port, place.at('port'));
  if ((port.number ?? 0) !== 0) {
    if (bind !== '')
      place.at('bind').error(isUnixAddress(bind) ? 'is a Unix domain socket, so port.number must be 0' : ipAddressProblem(bind));
    return;
  }
  if (!isUnixAddress(bind))
    place.at('port', 'number').error('must be between 1 and 65535; 0 is for a bind to a Unix domain socket');
  else place.at('bind').error(unixAddressProblem(bind));
  if (captureMode === 'IPTABLES')
    place.at('captureMode').error('must be DEFAULT or NONE for a Unix domain socket, which cannot be redirected to');
}

function checkOutboundTrafficPolicy(policy: OutboundTrafficPolicy, place: Place): void {
  const { egressProxy, mode = 'REGISTRY_ONLY' } = policy;
  if (!egressProxy) return;
  const at = place.at('egressProxy');
  if (mode !== 'ALLOW_ANY') {
    at.error(`is only allowed while mode is ALLOW_ANY, which it is not${policy.mode ? '' : ' by default'}`);
    return;
  }
  at.at('host').error(domainProblem(egressProxy.host));
  if (egressProxy.subset && !isDnsLabel(egressProxy.subset))
    at.at('subset').error(`${shown(egressProxy.subset)} is not a subset name: it must be a DNS label`);
  const { number = 0 } = egressProxy.port ?? {};
  if (!egressProxy.port) at.at('port').error('is required');
  else if (number < 1 || number > 65_535) at.at('port', 'number').error(`must be between 1 and 65535, found ${number}`);
}
