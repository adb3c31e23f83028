import { create, type DescMessage, fromJson, type JsonObject, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import { SocketAddress_Protocol } from '../../envoy/gen/envoy/config/core/v3/address_pb.js';
import { TrafficDirection } from '../../envoy/gen/envoy/config/core/v3/base_pb.js';
import { ListenerFilterSchema } from '../../envoy/gen/envoy/config/listener/v3/listener_components_pb.js';
import { ListenerSchema } from '../../envoy/gen/envoy/config/listener/v3/listener_pb.js';
import { envoyTypes } from '../../envoy/registry.ts';
import { type Resource, typeUrls } from '../../envoy/resource.ts';
import type { ObjectKey } from '../../mesh/object-key.ts';
import type { ProxyTraits, ProxyView } from '../../mesh/proxy-view.ts';
import type { Service } from '../../mesh/service.ts';
import { address } from '../messages.ts';
import { blackHoleCluster, dnsListener, dnsPort, dnsTcpListener, loopbackAddresses, passthroughCluster } from '../names.ts';
import { seal } from '../seal.ts';
import { assembleChains } from './filter-chains.ts';
import { buildTcpProxy, originalDestination } from './filters.ts';
import { serviceAddresses } from './placement.ts';

const answerTtl = '30s';
/** Longer than a resolver waits: what gets no answer must not be told that the name does not exist. */
const lookupTimeout = '15s';
const longestQueue = '4096';

/** Whether a proxy answers its workload's DNS: the rules lead queries to it. */
export function servesDns({ capturesDns, interceptionMode }: ProxyTraits): boolean {
  return capturesDns && interceptionMode !== 'NONE';
}

/** The addresses that a proxy answers for a service's name; none: its name servers are asked, as they are for a Kubernetes Service. */
export function dnsAnswers(service: Service, traits: ProxyTraits): readonly string[] {
  if (!servesDns(traits) || service.spec.registry === 'Kubernetes') return [];
  return serviceAddresses(service, traits).filter((candidate) => !candidate.includes('/'));
}

/**
 * Answers the queries that the rules lead to it: names of services with their addresses, anything else by the name servers of the pod's
 * resolv.conf. Envoy's DNS filter knows A and AAAA alone (docs/adr/0035).
 * @param services those with {@link dnsAnswers}; of one name the first counts
 */
export function buildDnsListener(view: ProxyView, services: Iterable<Service>): Resource {
  const domains = new Map<string, Uint8Array>();
  const provenance: ObjectKey[] = [];
  for (const service of services) {
    const { hostname, owner } = service.spec;
    if (!domains.has(hostname)) domains.set(hostname, domainBytes(service, view.traits));
    provenance.push(owner);
  }
  const [first, ...others] = loopbackAddresses(view.traits.ipFamilies);
  return seal({
    typeUrl: typeUrls.listener,
    name: dnsListener,
    schema: ListenerSchema,
    message: create(ListenerSchema, {
      name: dnsListener,
      address: udpAddress(first),
      additionalAddresses: others.map((host) => ({ address: udpAddress(host) })),
      trafficDirection: TrafficDirection.OUTBOUND,
      listenerFilters: [
        create(ListenerFilterSchema, {
          name: 'envoy.filters.udp.dns_filter',
          configType: {
            case: 'typedConfig',
            value: create(AnySchema, { typeUrl: `type.googleapis.com/${filterType}`, value: filterBytes(domains) }),
          },
        }),
      ],
    }),
    provenance: provenance.sort(),
  });
}

const filterType = 'envoy.extensions.filters.udp.dns_filter.v3.DnsFilterConfig';
const domainType = 'envoy.data.dns.v3.DnsTable.DnsVirtualDomain';
/** DnsFilterConfig's `server_config`, its `inline_dns_table`, and the table's `virtual_domains`. */
const [serverConfigField, tableField, domainsField] = [2, 1, 2];

/** A filter's configuration with the names in order, put together from bytes that each service keeps. */
function filterBytes(domains: ReadonlyMap<string, Uint8Array>): Uint8Array<ArrayBuffer> {
  const writer = new BinaryWriter();
  writer.raw(withoutDomains());
  writer.tag(serverConfigField, WireType.LengthDelimited).fork();
  writer.tag(tableField, WireType.LengthDelimited).fork();
  for (const name of [...domains.keys()].sort()) writer.tag(domainsField, WireType.LengthDelimited).bytes(domains.get(name)!);
  return writer.join().join().finish();
}

let plain: Uint8Array | undefined;

function withoutDomains(): Uint8Array {
  plain ??= encode(filterType, {
    stat_prefix: 'dns',
    client_config: {
      resolver_timeout: lookupTimeout,
      max_pending_lookups: longestQueue,
      typed_dns_resolver_config: {
        name: 'envoy.network.dns_resolver.cares',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig',
          // The application's own resolver has put the search domains to the name already.
          dns_resolver_options: { no_default_search_domain: true },
        },
      },
    },
  });
  return plain;
}

const known = new WeakMap<Service, Map<string, Uint8Array>>();

/** What is answered for a service's name: the same for all proxies of its families. */
function domainBytes(service: Service, traits: ProxyTraits): Uint8Array {
  const ofService = known.get(service) ?? new Map<string, Uint8Array>();
  const bytes =
    ofService.get(traits.ipFamilies) ??
    encode(domainType, {
      name: service.spec.hostname,
      endpoint: { address_list: { address: [...dnsAnswers(service, traits)] } },
      answer_ttl: answerTtl,
    });
  known.set(service, ofService.set(traits.ipFamilies, bytes));
  return bytes;
}

/** Queries over TCP go on to the name server that they were for: what is known here is short enough for UDP. */
export function buildDnsTcpListener({ traits, config }: ProxyView): Resource {
  const chains = assembleChains([
    // A connection made to the port itself would be passed through to itself, without end.
    { name: 'dns-blackhole', filter: buildTcpProxy(blackHoleCluster, config), destinationPort: dnsPort },
    { name: 'dns', filter: buildTcpProxy(passthroughCluster, config) },
  ]);
  const [first, ...others] = loopbackAddresses(traits.ipFamilies);
  return seal({
    typeUrl: typeUrls.listener,
    name: dnsTcpListener,
    schema: ListenerSchema,
    message: create(ListenerSchema, {
      name: dnsTcpListener,
      address: address(first, dnsPort),
      additionalAddresses: others.map((host) => ({ address: address(host, dnsPort) })),
      trafficDirection: TrafficDirection.OUTBOUND,
      listenerFilters: [originalDestination],
      filterChains: [...chains.matching, chains.fallback!],
    }),
    provenance: [],
    requires: [passthroughCluster, blackHoleCluster].map((name) => ({ typeUrl: typeUrls.cluster, name })),
  });
}

function udpAddress(host: string) {
  const socket = { protocol: SocketAddress_Protocol.UDP, address: host };
  return {
    address: { case: 'socketAddress', value: { ...socket, portSpecifier: { case: 'portValue', value: dnsPort } } },
  } as const;
}

/** By its descriptor rather than generated code: only proxies that answer DNS pay for it. */
function encode(type: string, json: JsonObject): Uint8Array {
  const registry = envoyTypes();
  const schema: DescMessage = registry.getMessage(type)!;
  return toBinary(schema, fromJson(schema, json, { registry }));
}
