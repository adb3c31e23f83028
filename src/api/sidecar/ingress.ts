import { ipAddressProblem, isUnixAddress, unixAddressProblem } from '../address.ts';
import { type ConnectionPoolSettings, checkConnectionPool } from '../connection-pool.ts';
import type { Place } from '../finding.ts';
import { isHttp, isTls, parseProtocol } from '../protocol.ts';
import { checkServerTls, type ServerTlsSettings } from '../server-tls.ts';
import { shown } from '../structure.ts';
import { checkPort } from './port.ts';
import type { IstioIngressListener } from './schema.ts';

/** Istio's rules for inbound listeners. */
export function checkIngress(ingress: readonly IstioIngressListener[], place: Place): void {
  const ports = new Map<number, number>();
  for (const [index, listener] of ingress.entries()) {
    const at = place.at(index);
    const { bind = '', defaultEndpoint = '', port, tls } = listener;
    const { number = 0 } = port;
    const protocol = parseProtocol(port.protocol);
    checkPort(port, at.at('port'));
    if (number === 0) at.at('port', 'number').error('is required, between 1 and 65535');
    else if (ports.has(number)) at.at('port', 'number').error(`${number} is already the port of ingress[${ports.get(number)}]`);
    else ports.set(number, index);
    if (bind !== '')
      at.at('bind').error(
        isUnixAddress(bind) ? 'must be an IP address; inbound listeners cannot be Unix domain sockets' : ipAddressProblem(bind),
      );
    if (defaultEndpoint !== '') at.at('defaultEndpoint').error(defaultEndpointProblem(defaultEndpoint));
    if (tls) {
      checkIngressTls(tls, at.at('tls'));
      if (!isTls(protocol))
        at.at('tls').error(`needs port.protocol HTTPS or TLS, found ${port.protocol ? shown(port.protocol) : 'none'}`);
    }
    checkInboundPool(listener.connectionPool, at.at('connectionPool'));
    if (listener.connectionPool?.http && !isHttp(protocol)) {
      at.at('connectionPool', 'http').warning(`has no effect: port ${number} is not declared as HTTP`);
    }
  }
}

/** The rules of any connection pool, and a word on what does nothing on the side that receives (Istio's `applyTrafficPolicy`). */
export function checkInboundPool(pool: ConnectionPoolSettings | undefined, place: Place): void {
  checkConnectionPool(pool, place);
  if (pool?.http?.h2UpgradePolicy === 'UPGRADE' && !pool.http.useClientProtocol)
    place.at('http', 'h2UpgradePolicy').warning('has no effect on inbound traffic: it decides how clients send');
}

const endpointForms = '127.0.0.1:PORT, [::1]:PORT, 0.0.0.0:PORT, [::]:PORT or unix:///path';
const localEndpoint = /^(?:|127\.0\.0\.1|0\.0\.0\.0|\[::1\]|\[::\]):([^:]*)$/;

/** Why a `defaultEndpoint` is none; a port alone (`:8080`) is accepted as Istio does. */
export function defaultEndpointProblem(endpoint: string): string | undefined {
  if (isUnixAddress(endpoint)) return unixAddressProblem(endpoint);
  const match = localEndpoint.exec(endpoint);
  if (!match) return `${shown(endpoint)} must have the form ${endpointForms}`;
  const port = Number(match[1]);
  if (/^\d+$/.test(match[1]!) && port >= 1 && port <= 65_535) return undefined;
  return `${shown(endpoint)} must end in a port between 1 and 65535`;
}

const gatewayOnly = ['subjectAltNames', 'httpsRedirect', 'credentialName', 'credentialNames', 'tlsCertificates'] as const;

function checkIngressTls(tls: ServerTlsSettings, place: Place): void {
  for (const name of gatewayOnly) {
    const value = tls[name];
    if (value === true || (typeof value === 'object' && value.length > 0) || (typeof value === 'string' && value !== '')) {
      place.at(name).error('is not supported in a Sidecar');
    }
  }
  if (tls.mode === 'ISTIO_MUTUAL' || tls.mode === 'AUTO_PASSTHROUGH') {
    place.at('mode').error(`${tls.mode} is not supported in a Sidecar; use SIMPLE or MUTUAL`);
  }
  if (tls.caCertCredentialName) place.at('caCertCredentialName').warning('has no effect in a Sidecar; set caCertificates');
  checkServerTls(tls, place);
}
