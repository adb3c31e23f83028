import { subnetProblem } from '../address.ts';
import { checkExportTo } from '../export-to.ts';
import type { Place } from '../finding.ts';
import { domainProblem, isDnsLabel, partialWildcardProblem, wildcardDomainProblem } from '../hostname.ts';
import { isHttp, isTcp, isTls, parseProtocol, protocolProblem } from '../protocol.ts';
import { checkWorkloadSelector } from '../selector.ts';
import { shown } from '../structure.ts';
import { checkDynamicDns } from './dynamic-dns.ts';
import { checkEndpoints } from './endpoints.ts';
import type { Resolution, ServiceEntry, ServiceEntrySpec } from './schema.ts';

/** Istio's `ValidateServiceEntry`, rule by rule, and what would fail later on in Envoy. */
export function checkServiceEntry(object: ServiceEntry, place: Place): void {
  const { spec, metadata } = object;
  const resolution = spec.resolution ?? 'NONE';
  checkHosts(spec, resolution, place);
  checkAddresses(spec, resolution, place);
  checkPorts(object, resolution, place);
  checkSelection(spec, resolution, place);
  checkEndpoints(spec, resolution, place);
  if (resolution === 'DYNAMIC_DNS') checkDynamicDns(spec, metadata.labels ?? {}, place);
  checkHostsPerPort(spec, resolution, place);
  checkExportTo(spec.exportTo, metadata.namespace, place.at('exportTo'));
}

function checkHosts(spec: ServiceEntrySpec, resolution: Resolution, place: Place): void {
  const seen = new Set<string>();
  const resolvesHosts = (resolution === 'DNS' || resolution === 'DNS_ROUND_ROBIN') && !spec.endpoints?.length;
  for (const [index, host] of spec.hosts.entries()) {
    const at = place.at('hosts', index);
    const problem = wildcardDomainProblem(host);
    if (host === '*') at.error("must not be '*', which would claim every name; a wildcard needs a domain, as in *.example.com");
    else if (problem) at.error(problem);
    else if (resolvesHosts && domainProblem(host)) {
      at.error(
        `${shown(host)} is a wildcard, which resolution ${resolution} cannot look up; give endpoints, or use resolution NONE`,
      );
    } else if (resolution !== 'DYNAMIC_DNS') at.warning(partialWildcardProblem(host));
    if (seen.has(host.toLowerCase())) at.warning(`${shown(host)} is listed twice`);
    seen.add(host.toLowerCase());
  }
}

function checkAddresses(spec: ServiceEntrySpec, resolution: Resolution, place: Place): void {
  const allowsBlocks = resolution === 'NONE' || resolution === 'STATIC';
  const seen = new Set<string>();
  for (const [index, address] of (spec.addresses ?? []).entries()) {
    const at = place.at('addresses', index);
    const problem = subnetProblem(address);
    if (problem) at.error(problem);
    else if (address.includes('/') && !allowsBlocks && resolution !== 'DYNAMIC_DNS') {
      at.error(`${shown(address)} is a CIDR block, which resolution ${resolution} does not allow; only NONE and STATIC do`);
    }
    if (seen.has(address)) at.warning(`${shown(address)} is listed twice`);
    seen.add(address);
  }
}

/** Label by which a user turns automatic addresses off for one ServiceEntry. */
const autoAllocationLabel = 'networking.istio.io/enable-autoallocate-ip';

function checkPorts(object: ServiceEntry, resolution: Resolution, place: Place): void {
  const { spec, metadata } = object;
  const getsAddress =
    (spec.addresses?.length ?? 0) > 0 ||
    (resolution !== 'NONE' && metadata.labels?.[autoAllocationLabel]?.toLowerCase() !== 'false');
  const names = new Map<string, number>();
  const numbers = new Map<number, number>();
  for (const [index, port] of (spec.ports ?? []).entries()) {
    const at = place.at('ports', index);
    const sameName = names.get(port.name);
    const sameNumber = numbers.get(port.number);
    if (!isDnsLabel(port.name)) {
      at.at('name').error(`${shown(port.name)} is not a port name: it takes letters, digits and inner dashes, at most 63`);
    } else if (sameName !== undefined) at.at('name').error(`${shown(port.name)} is already the name of ports[${sameName}]`);
    if (sameNumber !== undefined) at.at('number').error(`${port.number} is already the number of ports[${sameNumber}]`);
    at.at('protocol').error(protocolProblem(port.protocol));
    const { protocol = '' } = port;
    if (!getsAddress && (protocol === '' || parseProtocol(protocol) === 'TCP')) {
      at.at('protocol').warning(
        `${protocol === '' ? 'without a protocol' : 'as TCP'} and with no spec.addresses, port ${port.number} captures traffic to every address`,
      );
    }
    names.set(port.name, names.get(port.name) ?? index);
    numbers.set(port.number, numbers.get(port.number) ?? index);
  }
}

function checkSelection(spec: ServiceEntrySpec, resolution: Resolution, place: Place): void {
  checkWorkloadSelector(spec.workloadSelector, place.at('workloadSelector'));
  if (spec.workloadSelector && spec.endpoints) place.at('workloadSelector').error('excludes endpoints: set one of the two');
  if (spec.workloadSelector && resolution === 'NONE') {
    place.at('workloadSelector').warning('has no effect while resolution is NONE (the default); set resolution to STATIC');
  }
}

/** Requests for several hosts on one port can only be told apart by HTTP's Host or TLS's SNI, except where hosts are ignored (NONE). */
function checkHostsPerPort(spec: ServiceEntrySpec, resolution: Resolution, place: Place): void {
  if (resolution === 'NONE' || spec.hosts.length < 2) return;
  const ports = (spec.ports ?? []).map((port) => parseProtocol(port.protocol));
  const opaque = ports.findIndex((protocol) => !isHttp(protocol) && !isTls(protocol));
  if (opaque >= 0) {
    place
      .at('ports', opaque)
      .error(
        `carries neither HTTP nor TLS, so its connections cannot be told apart by host; ${spec.hosts.length} hosts need HTTP or TLS ports`,
      );
  }
  const resolves = resolution === 'DNS' || resolution === 'DNS_ROUND_ROBIN';
  if (resolves && spec.addresses?.length && ports.some(isTcp)) {
    place
      .at('hosts')
      .warning('several hosts share the same addresses on a TCP or TLS port; only the first is sure to be reached');
  }
}
