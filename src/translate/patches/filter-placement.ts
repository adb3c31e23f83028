import type { Message } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import type { EnvoyFilterPatch } from '../../mesh/envoy-filter.ts';
import { messageName } from './typed-config.ts';

/** What listener filters, network filters and HTTP filters have in common. */
export interface AnyFilter extends Message {
  name: string;
  configType:
    | { case: 'typedConfig'; value: Any }
    | { case: 'configDiscovery'; value: Message }
    | { case: undefined; value?: undefined };
}

type FilterClass = EnvoyFilterPatch['filterClass'];

const router = 'envoy.extensions.filters.http.router.v3.Router';

/** Filters that end a chain: Envoy refuses one that is not the last. */
const terminal: ReadonlySet<string> = new Set([
  router,
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
  'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
  'envoy.extensions.filters.network.redis_proxy.v3.RedisProxy',
  'envoy.extensions.filters.network.thrift_proxy.v3.ThriftProxy',
  'envoy.extensions.filters.network.dubbo_proxy.v3.DubboProxy',
  'envoy.extensions.filters.network.generic_proxy.v3.GenericProxy',
  'envoy.extensions.filters.network.direct_response.v3.Config',
  'envoy.extensions.filters.network.echo.v3.Echo',
]);

const authentication: ReadonlySet<string> = new Set(['envoy.filters.http.jwt_authn', 'istio_authn']);
const authorization: ReadonlySet<string> = new Set(['envoy.filters.http.rbac', 'envoy.filters.network.rbac']);
const statistics: ReadonlySet<string> = new Set(['istio.stats']);

/** The class that a filter was added in. An added filter is a copy of the patch's value, so it is in one list of one resource. */
const classOf = new WeakMap<AnyFilter, FilterClass>();

/**
 * Where ADD puts a filter: behind the authentication filters (AUTHN), behind those and the authorization filters (AUTHZ), before
 * the statistics (STATS), else at the end. Never behind the filter that ends the chain, which Envoy would refuse. Within a class
 * filters keep the order in which they were added.
 */
export function placeFilter(filters: AnyFilter[], filter: AnyFilter, filterClass: FilterClass): void {
  classOf.set(filter, filterClass);
  filters.splice(placeOf(filters, filterClass), 0, filter);
}

function placeOf(filters: readonly AnyFilter[], filterClass: FilterClass): number {
  const isAuthentication = (filter: AnyFilter) => authentication.has(filter.name) || classOf.get(filter) === 'AUTHN';
  switch (filterClass) {
    case 'AUTHN':
      return filters.findLastIndex(isAuthentication) + 1;
    case 'AUTHZ':
      return (
        filters.findLastIndex(
          (filter) => isAuthentication(filter) || authorization.has(filter.name) || classOf.get(filter) === 'AUTHZ',
        ) + 1
      );
    case 'STATS': {
      const first = filters.findIndex((filter) => statistics.has(filter.name));
      return first < 0 ? endOf(filters) : first;
    }
    default:
      return endOf(filters);
  }
}

function endOf(filters: readonly AnyFilter[]): number {
  const last = filters.at(-1);
  const isTerminal = last?.configType.case === 'typedConfig' && terminal.has(messageName(last.configType.value.typeUrl));
  return filters.length - (isTerminal ? 1 : 0);
}
