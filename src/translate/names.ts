import { isUnixAddress } from '../api/address.ts';
import type { IpFamilies } from '../mesh/proxy.ts';
import type { ProxyView } from '../mesh/proxy-view.ts';

/** Istio's names for what every proxy has; EnvoyFilters in people's git match on them. */
export const passthroughCluster = 'PassthroughCluster';
export const blackHoleCluster = 'BlackHoleCluster';
export const inboundPassthroughCluster = 'InboundPassthroughCluster';
export const virtualOutboundListener = 'virtualOutbound';
export const virtualInboundListener = 'virtualInbound';

/** The ports that intercepted traffic is redirected to. */
export const virtualOutboundPort = 15001;
export const virtualInboundPort = 15006;

/** Where the rules lead DNS queries, and the listeners there: in Istio its agent answers. */
export const dnsPort = 15053;
export const dnsListener = `dns_${dnsPort}`;
export const dnsTcpListener = `dns-tcp_${dnsPort}`;

/** `outbound|443||api.example.com`: cluster and endpoints of one port of one host; `outbound|443|v2|api.example.com` of a subset. */
export function outboundClusterName(hostname: string, port: number, subset = ''): string {
  return `outbound|${port}|${subset}|${hostname}`;
}

/** The cluster for outbound traffic that no service claims: where it was going, the Sidecar's egress proxy, or nowhere. */
export function strangersCluster({
  outboundTrafficMode,
  egressProxy,
}: Pick<ProxyView, 'outboundTrafficMode' | 'egressProxy'>): string {
  if (outboundTrafficMode !== 'ALLOW_ANY') return blackHoleCluster;
  return egressProxy ? outboundClusterName(egressProxy.host, egressProxy.port, egressProxy.subset) : passthroughCluster;
}

/** `inbound|8080||`: the workload's own port. */
export function inboundClusterName(port: number): string {
  return `inbound|${port}||`;
}

/** `<address>_<port>`; a unix socket's path stands for itself. */
export function listenerName(bind: string, port: number): string {
  return isUnixAddress(bind) ? bind : `${bind}_${port}`;
}

/** `api.example.com:443`: virtual hosts, sniffed routes. */
export function hostAndPort(hostname: string, port: number): string {
  return `${bracketed(hostname)}:${port}`;
}

/** An IPv6 address in brackets, as it stands in a URL or Host header (RFC 3986, section 3.2.2); all else unchanged. */
export function bracketed(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

/** The addresses that mean 'any' for a proxy: the first names the listener, others are additional addresses. */
export function wildcardAddresses(families: IpFamilies): readonly [string, ...string[]] {
  return families === 'ipv4' ? ['0.0.0.0'] : families === 'ipv6' ? ['::'] : ['0.0.0.0', '::'];
}

/** The loopback addresses of a proxy, the first naming the listener. */
export function loopbackAddresses(families: IpFamilies): readonly [string, ...string[]] {
  return families === 'ipv4' ? ['127.0.0.1'] : families === 'ipv6' ? ['::1'] : ['127.0.0.1', '::1'];
}

/** Whether a proxy of these families reaches an address; host names and unix sockets always count. */
export function reaches(families: IpFamilies, address: string): boolean {
  if (isUnixAddress(address) || families === 'dual') return true;
  if (address.includes(':')) return families === 'ipv6';
  return families === 'ipv4' || !/^[\d.]+(\/\d+)?$/.test(address);
}
