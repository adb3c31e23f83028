import ipaddr from 'ipaddr.js';
import type { Node } from '../../envoy/gen/envoy/config/core/v3/base_pb.js';
import type { InterceptionMode, IpFamilies, ProxyNode } from '../../mesh/proxy.ts';
import { invalidArgument } from './stream-error.ts';

const idFormat = 'sidecar~<ip>~<pod>.<namespace>~<namespace>.svc.<domain>';

/**
 * Reads Istio's node id and metadata (istio pkg/model NodeMetadata, pilot ParseServiceNodeWithMetadata).
 * Throws {@link invalidArgument} that says what is wrong with the id and what it should look like.
 */
export function parseNode(node: Node | undefined): ProxyNode {
  if (!node || node.id === '') throw invalidArgument(`the stream's first request has no node id; expected ${idFormat}`);
  const [type, ip = '', workload = '', dnsDomain = '', ...rest] = node.id.split('~');
  if (dnsDomain === '' || rest.length > 0) throw malformed(node.id, 'it must have four parts divided by ~');
  if (type === 'router')
    throw invalidArgument(`"${node.id.slice(0, 200)}" is a gateway; gateways are not served by this version of Weft`);
  if (type !== 'sidecar') throw malformed(node.id, `"${type}" is not a proxy type`);

  const metadata = node.metadata ?? {};
  const ipAddresses = readAddresses(metadata.INSTANCE_IPS) ?? readAddresses(ip);
  if (!ipAddresses) throw malformed(node.id, `neither INSTANCE_IPS nor "${ip}" is an IP address`);
  const namespace = text(metadata.NAMESPACE) ?? workload.slice(workload.lastIndexOf('.') + 1);
  const name = workload.endsWith(`.${namespace}`) ? workload.slice(0, -namespace.length - 1) : workload;
  if (name === '' || namespace === '') throw malformed(node.id, 'it names no workload or no namespace');

  return {
    id: node.id,
    type,
    name,
    namespace,
    ipAddresses,
    ipFamilies: familiesOf(ipAddresses),
    labels: readLabels(metadata.LABELS),
    dnsDomain,
    interceptionMode: readInterceptionMode(metadata.INTERCEPTION_MODE),
    locality: readLocality(node),
    clusterId: text(metadata.CLUSTER_ID) ?? 'Kubernetes',
    serviceAccount: readAccount(metadata.SERVICE_ACCOUNT),
    proxyVersion: readVersion(node),
    metadata,
  };
}

function malformed(id: string, why: string): Error {
  return invalidArgument(`malformed node id "${id.slice(0, 200)}": ${why}; expected ${idFormat}`);
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Absent or empty: it names none. Anything but text is a name all the same, one that no account has. */
function readAccount(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Istio writes a list as one comma-separated string. One address that is none makes the whole list void, as in Istio. */
function readAddresses(value: unknown): string[] | undefined {
  const parts = typeof value === 'string' ? value.split(',') : Array.isArray(value) ? value.map(String) : [];
  const addresses = parts.map((part) => part.trim().replace(/^\[(.*)\]$/, '$1'));
  if (addresses.length === 0 || !addresses.every((address) => ipaddr.isValid(address))) return undefined;
  return addresses.map((address) => ipaddr.process(address).toString());
}

function familiesOf(addresses: readonly string[]): IpFamilies {
  const v6 = addresses.filter((address) => address.includes(':')).length;
  return v6 === 0 ? 'ipv4' : v6 === addresses.length ? 'ipv6' : 'dual';
}

function readLabels(value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

function readInterceptionMode(value: unknown): InterceptionMode {
  return value === 'TPROXY' || value === 'NONE' ? value : 'REDIRECT';
}

function readLocality(node: Node): ProxyNode['locality'] {
  const { region = '', zone = '', subZone = '' } = node.locality ?? {};
  return region === '' && zone === '' && subZone === '' ? undefined : { region, zone, subZone };
}

function readVersion(node: Node): string | undefined {
  const agent = node.userAgentVersionType;
  if (agent.case === 'userAgentVersion') return text(agent.value);
  const version = agent.case === 'userAgentBuildVersion' ? agent.value.version : undefined;
  return version ? `${version.majorNumber}.${version.minorNumber}.${version.patch}` : undefined;
}
