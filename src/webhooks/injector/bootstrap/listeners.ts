import type { InjectionConfig } from '../config/injection-config.ts';
import type { JsonMap } from '../injection.ts';
import { extension, socketAddress, typed, typedLoosely } from './messages.ts';
import { type ScriptName, scripts } from './scripts.ts';
import { variable } from './variables.ts';

/** An HTTP listener of the sidecar's own. */
export interface OwnListener {
  readonly name: string;
  readonly port: number;
  readonly routes: readonly JsonMap[];
  /** The scripts that its routes run. Default: none. */
  readonly scriptNames?: readonly ScriptName[];
  /** Whether some of its routes are for processes of the pod alone ({@link localOnly}). Default: no. */
  readonly hasLocalRoutes?: boolean;
}

/**
 * A listener that all of the pod network reaches, past the capture, as the kubelet and Prometheus come in plaintext from elsewhere.
 * It tells its clients nothing of Envoy and takes nothing from them that Envoy believes.
 */
export function ownListener(listener: OwnListener, families: InjectionConfig['ipFamilies']): JsonMap {
  const { name, port, routes, scriptNames = [], hasLocalRoutes = false } = listener;
  const filters = [
    ...(hasLocalRoutes ? [extension('envoy.filters.http.rbac', 'envoy.extensions.filters.http.rbac.v3.RBAC')] : []),
    ...(scriptNames.length ? [luaFilter(scriptNames)] : []),
    extension('envoy.filters.http.router', 'envoy.extensions.filters.http.router.v3.Router', { suppress_envoy_headers: true }),
  ];
  const manager = extension(
    'envoy.filters.network.http_connection_manager',
    'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    {
      stat_prefix: name,
      // The kubelet's Host names the listener's port, which is not the application's.
      strip_matching_host_port: true,
      generate_request_id: false,
      server_header_transformation: 'PASS_THROUGH',
      normalize_path: true,
      route_config: { name, virtual_hosts: [{ name, domains: ['*'], routes }] },
      http_filters: filters,
    },
  );
  return { name, ...bindOf(port, families), filter_chains: [{ filters: [manager] }], ignore_global_conn_limit: true };
}

/**
 * What a listener binds. Which addresses a pod has is not known when it is admitted. Its first address is what the kubelet and Prometheus
 * use, and the kubelet tells it when the container starts; 127.0.0.1 is there in pods of IPv6 alone, too.
 */
function bindOf(port: number, families: InjectionConfig['ipFamilies']): JsonMap {
  switch (families) {
    case 'auto':
      return {
        address: socketAddress(variable('INSTANCE_IP'), port),
        additional_addresses: [{ address: socketAddress('127.0.0.1', port) }],
      };
    case 'ipv4':
      return { address: socketAddress('0.0.0.0', port) };
    case 'ipv6':
      return { address: socketAddress('::', port) };
    case 'dual':
      return { address: { socket_address: { address: '::', port_value: port, ipv4_compat: true } } };
  }
}

function luaFilter(names: readonly ScriptName[]): JsonMap {
  return extension('envoy.filters.http.lua', 'envoy.extensions.filters.http.lua.v3.Lua', {
    source_codes: Object.fromEntries(names.map((name) => [name, { inline_string: scripts[name] }])),
  });
}

/**
 * A route that a script answers, with the script's parameters; a script that fails leaves a 500.
 * @param filters what else the route says to filters, by their names
 */
export function scriptRoute(
  match: JsonMap,
  script: ScriptName,
  parameters: Readonly<Record<string, string>>,
  filters: JsonMap = {},
): JsonMap {
  return {
    match,
    direct_response: { status: 500 },
    typed_per_filter_config: {
      ...filters,
      'envoy.filters.http.lua': typedLoosely('envoy.extensions.filters.http.lua.v3.LuaPerRoute', {
        name: script,
        filter_context: parameters,
      }),
    },
  };
}

/** Keeps a route to processes of the pod itself: what it says to filters. */
export const localOnly: JsonMap = {
  'envoy.filters.http.rbac': typed('envoy.extensions.filters.http.rbac.v3.RBACPerRoute', {
    rbac: {
      rules: {
        action: 'ALLOW',
        policies: {
          local: {
            permissions: [{ any: true }],
            principals: [
              { direct_remote_ip: { address_prefix: '127.0.0.0', prefix_len: 8 } },
              { direct_remote_ip: { address_prefix: '::1', prefix_len: 128 } },
            ],
          },
        },
      },
    },
  }),
};
