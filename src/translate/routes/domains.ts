import type { ProxyTraits } from '../../mesh/proxy-view.ts';
import type { Service } from '../../mesh/service.ts';
import { serviceAddresses } from '../listeners/placement.ts';
import { bracketed } from '../names.ts';

/**
 * Every name by which a client may call a service, the host itself first: with a trailing dot, the short names that
 * Kubernetes' search domains allow from the proxy's namespace, the same of its other names, and its addresses
 * (IPv6 in brackets). A headless Service's pods have names below its own.
 */
export function domainsOf(service: Service, traits: ProxyTraits): string[] {
  const { spec, aliases } = service;
  const addresses = serviceAddresses(service, traits).filter((address) => !address.includes('/'));
  const names = [spec, ...aliases].flatMap(({ hostname }) => namesOf(hostname, traits));
  const podNames = spec.isHeadless && spec.registry === 'Kubernetes' ? names.map((name) => `*.${name}`) : [];
  return [...names, ...podNames, ...addresses.map(bracketed)];
}

/** The forms of one host name: in full, with a trailing dot, and shortened as far as the proxy's search domains allow. */
export function namesOf(hostname: string, traits: ProxyTraits): string[] {
  return [hostname, ...absolute(hostname), ...shortNames(hostname, traits.dnsDomain)];
}

/** Envoy matches `*.example.com` by suffix, which a trailing dot would end differently; it takes only one `*`, in front. */
function absolute(hostname: string): string[] {
  return hostname.startsWith('*') ? [] : [`${hostname}.`];
}

/** `reviews`, `reviews.shop`, `reviews.shop.svc` for `reviews.shop.svc.cluster.local`, as far as the proxy's search domains reach. */
function shortNames(hostname: string, dnsDomain: string): string[] {
  const mark = dnsDomain.indexOf('.svc.');
  if (mark < 0) return [];
  const namespace = dnsDomain.slice(0, mark);
  const suffix = dnsDomain.slice(mark);
  if (!hostname.endsWith(suffix)) return [];
  const stem = hostname.slice(0, -suffix.length);
  const [name, owner, ...rest] = stem.split('.');
  if (!name || !owner || rest.length) return [];
  return [...(owner === namespace ? [name] : []), stem, `${stem}.svc`];
}
