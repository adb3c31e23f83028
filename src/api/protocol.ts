/**
 * The protocol of a port as Istio names it (istio/istio pkg/config/protocol). `Unsupported` stands for a port whose protocol is
 * absent or unknown: outbound, Istio sniffs such a port for HTTP.
 */
export type Protocol =
  | 'HTTP'
  | 'HTTP2'
  | 'GRPC'
  | 'GRPC-Web'
  | 'HTTP_PROXY'
  | 'HTTPS'
  | 'TLS'
  | 'TCP'
  | 'UDP'
  | 'Mongo'
  | 'MySQL'
  | 'Redis'
  | 'Unsupported';

/** Every protocol name that can be written, in the order in which messages list them. */
export const protocolNames = [
  'HTTP',
  'HTTP2',
  'GRPC',
  'GRPC-Web',
  'HTTP_PROXY',
  'HTTPS',
  'TLS',
  'TCP',
  'UDP',
  'Mongo',
  'MySQL',
  'Redis',
] as const satisfies readonly Protocol[];

const byName = new Map<string, Protocol>(protocolNames.map((name) => [name.toLowerCase(), name]));

/** Reads a `protocol` field, whatever its case. Absent, empty and unknown names all give `Unsupported`. */
export function parseProtocol(name: string | undefined): Protocol {
  return (name === undefined ? undefined : byName.get(name.toLowerCase())) ?? 'Unsupported';
}

/** True for protocols carried by HTTP/1.1 or HTTP/2 in plain text: their requests can be routed. */
export function isHttp(protocol: Protocol): boolean {
  return protocol === 'HTTP' || protocol === 'HTTP_PROXY' || isHttp2(protocol);
}

/** True for protocols that need HTTP/2 towards the upstream. */
export function isHttp2(protocol: Protocol): boolean {
  return protocol === 'HTTP2' || protocol === 'GRPC' || protocol === 'GRPC-Web';
}

/** True for protocols whose connections start with a TLS handshake: they can be routed by SNI. */
export function isTls(protocol: Protocol): boolean {
  return protocol === 'HTTPS' || protocol === 'TLS';
}

/** True for protocols that the proxy treats as a byte stream, TLS included. */
export function isTcp(protocol: Protocol): boolean {
  return protocol === 'TCP' || protocol === 'Mongo' || protocol === 'MySQL' || protocol === 'Redis' || isTls(protocol);
}

/** True if the proxy has to look at the first bytes to know whether a connection is HTTP. */
export function isSniffed(protocol: Protocol): boolean {
  return protocol === 'Unsupported';
}

/** Why a `protocol` field is not one of Istio's; an empty or absent one is fine and means sniffing. */
export function protocolProblem(name: string | undefined): string | undefined {
  if (name === undefined || name === '' || byName.has(name.toLowerCase())) return undefined;
  return `${JSON.stringify(name)} is not a protocol; use one of ${protocolNames.join(', ')}, or leave it out to have it detected`;
}
