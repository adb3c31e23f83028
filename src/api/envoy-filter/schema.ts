import Type from 'typebox';
import type { KubernetesObject } from '../../runtime/object.ts';
import { celRules, int32, mapOf, record, stringEnum, uint32 } from '../schema-term.ts';
import { workloadSelectorSchema } from '../selector.ts';
import type { MeshStatus } from '../status.ts';
import { targetRefSchema } from '../target-ref.ts';

const name = (description: string) => Type.Optional(Type.String({ description }));

const filterSchema = (description: string) =>
  record(
    {
      name: name('Name of the filter.'),
      subFilter: Type.Optional(
        record({ name: name('Name of the filter inside it.') }, { description: 'A filter inside it, such as an HTTP filter.' }),
      ),
    },
    { description },
  );

const listenerMatchSchema = record(
  {
    portNumber: Type.Optional(uint32({ description: 'Service port of the listener. Defaults to any.' })),
    portName: name('Has no effect; kept because Istio has it.'),
    filterChain: Type.Optional(
      record(
        {
          name: name('Name of the filter chain.'),
          sni: name("Server name in the chain's match."),
          transportProtocol: name("Transport protocol in the chain's match: raw_buffer or tls."),
          applicationProtocols: name("Application protocols in the chain's match, separated by commas."),
          filter: Type.Optional(filterSchema('A network filter of the chain.')),
          destinationPort: Type.Optional(uint32({ description: "Destination port in the chain's match." })),
        },
        { description: 'Which filter chain of the listener. Defaults to all.' },
      ),
    ),
    listenerFilter: name('Name of a listener filter.'),
    name: name('Name of the listener.'),
  },
  { description: 'Which listener.' },
);

const routeConfigurationMatchSchema = record(
  {
    portNumber: Type.Optional(uint32({ description: 'Port that the route configuration is for. Defaults to any.' })),
    portName: name('Name of the server port. Gateways only.'),
    gateway: name("The gateway's namespace/name. Gateways only."),
    vhost: Type.Optional(
      record(
        {
          name: name('Name of the virtual host, host:port.'),
          domainName: name('One of the domains of the virtual host.'),
          route: Type.Optional(
            record(
              {
                name: name('Name of the route.'),
                action: Type.Optional(
                  stringEnum(['ANY', 'ROUTE', 'REDIRECT', 'DIRECT_RESPONSE'], {
                    description: 'What the route does. Defaults to ANY.',
                  }),
                ),
              },
              { description: 'Which route of the virtual host. Defaults to all.' },
            ),
          ),
        },
        { description: 'Which virtual host. Defaults to all.' },
      ),
    ),
    name: name('Name of the route configuration.'),
  },
  { description: 'Which route configuration.' },
);

const clusterMatchSchema = record(
  {
    portNumber: Type.Optional(
      uint32({ description: 'Service port of the cluster; the target port for inbound. Defaults to any.' }),
    ),
    service: name('Fully qualified host of the service. Ignored for inbound.'),
    subset: name('Subset of the service.'),
    name: name('Name of the cluster.'),
  },
  { description: 'Which cluster.' },
);

const waypointMatchSchema = record(
  {
    portNumber: Type.Optional(
      uint32({
        description: 'Service port. Defaults to any.',
        crd: celRules({ rule: '0 < self && self <= 65535', message: 'port must be between 1-65535' }),
      }),
    ),
    route: Type.Optional(record({ name: name('Name of the route.') }, { description: 'Which route.' })),
    filter: Type.Optional(filterSchema('Which filter.')),
  },
  { description: 'Which part of a waypoint. Only with context WAYPOINT.' },
);

/** The members of Istio's `object_types`, of which a match has one at most. */
export const objectMatches = ['listener', 'routeConfiguration', 'cluster', 'waypoint'] as const;

const matchSchema = record(
  {
    context: Type.Optional(
      stringEnum(['ANY', 'SIDECAR_INBOUND', 'SIDECAR_OUTBOUND', 'GATEWAY', 'WAYPOINT'], {
        description: 'Direction of the traffic and type of the proxy. Defaults to ANY.',
      }),
    ),
    proxy: Type.Optional(
      record(
        {
          proxyVersion: name("Regular expression (RE2) that the proxy's version must match."),
          metadata: Type.Optional(mapOf(Type.String(), { description: "Entries that the proxy's node metadata must have." })),
        },
        { description: 'Which proxies.' },
      ),
    ),
    listener: Type.Optional(listenerMatchSchema),
    routeConfiguration: Type.Optional(routeConfigurationMatchSchema),
    cluster: Type.Optional(clusterMatchSchema),
    waypoint: Type.Optional(waypointMatchSchema),
  },
  {
    description:
      'What must be true of a proxy and of a part of its configuration for the patch to be applied. Defaults to everything.',
    crd: {
      oneOf: [
        { not: { anyOf: objectMatches.map((key) => ({ required: [key] })) } },
        ...objectMatches.map((key) => ({ required: [key] })),
      ],
      ...celRules({
        rule: "has(self.context) ? ((self.context == 'WAYPOINT') ? has(self.waypoint) : !has(self.waypoint)) : !has(self.waypoint)",
        message: 'only support waypointMatch when context is WAYPOINT',
      }),
    },
  },
);

const patchSchema = record(
  {
    operation: Type.Optional(
      stringEnum(
        [
          'INVALID',
          'MERGE',
          'ADD',
          'REMOVE',
          'INSERT_BEFORE',
          'INSERT_AFTER',
          'INSERT_FIRST',
          'REPLACE',
          'MERGE_AND_REPLACE_LIST',
        ],
        { description: 'How the patch is applied. Required.' },
      ),
    ),
    value: Type.Optional(
      Type.Unsafe<Record<string, unknown>>({
        type: 'object',
        description: "The configuration, in the JSON form of Envoy's message. Required except for REMOVE.",
        crd: { 'x-kubernetes-preserve-unknown-fields': true },
      }),
    ),
    filterClass: Type.Optional(
      stringEnum(['UNSPECIFIED', 'AUTHN', 'AUTHZ', 'STATS'], {
        description:
          "Where ADD puts a filter, relative to the mesh's own: after authentication, after authorization, before statistics.",
      }),
    ),
  },
  { description: 'What to change, and how. Required.' },
);

const configPatchSchema = record({
  applyTo: Type.Optional(
    stringEnum(
      [
        'INVALID',
        'LISTENER',
        'FILTER_CHAIN',
        'NETWORK_FILTER',
        'HTTP_FILTER',
        'ROUTE_CONFIGURATION',
        'VIRTUAL_HOST',
        'HTTP_ROUTE',
        'CLUSTER',
        'EXTENSION_CONFIG',
        'BOOTSTRAP',
        'LISTENER_FILTER',
      ],
      { description: 'Which part of the configuration is patched. Required.' },
    ),
  ),
  match: Type.Optional(matchSchema),
  patch: Type.Optional(patchSchema),
});

/** The fields of Istio's `EnvoyFilter`. */
export const envoyFilterSchema = record(
  {
    workloadSelector: Type.Optional(workloadSelectorSchema),
    targetRefs: Type.Optional(
      Type.Array(targetRefSchema, { maxItems: 16, description: 'Objects whose proxies are patched. Excludes workloadSelector.' }),
    ),
    configPatches: Type.Optional(Type.Array(configPatchSchema, { description: 'Patches, applied in this order.' })),
    priority: Type.Optional(
      int32({
        description:
          'Order among EnvoyFilters of a namespace, smaller first; then the older first. Those of the root namespace come before. Defaults to 0.',
      }),
    ),
  },
  {
    description:
      'Changes to the Envoy configuration that the mesh generates. Without a selector it holds for the whole namespace; in the root namespace, for the mesh.',
    crd: celRules({
      rule: '(has(self.workloadSelector) ? 1 : 0) + (has(self.targetRefs) ? 1 : 0) <= 1',
      message: 'only one of targetRefs or workloadSelector can be set',
    }),
  },
);

/** Changes to generated Envoy configuration; `priority` absent is 0, no selector means the whole namespace. */
export type EnvoyFilterSpec = Type.Static<typeof envoyFilterSchema>;
/** One patch of an EnvoyFilter. Valid ones have `applyTo`, `patch` and `patch.operation`; `match` absent matches everything. */
export type EnvoyFilterConfigPatch = Type.Static<typeof configPatchSchema>;
/** The condition of a patch; `context` absent is ANY, and every absent part matches everything. */
export type EnvoyFilterMatch = Type.Static<typeof matchSchema>;
/** The change that a patch makes. */
export type EnvoyFilterPatch = Type.Static<typeof patchSchema>;
/** The part of the configuration that a patch is for, Istio's unset value left out. */
export type ApplyTo = Exclude<NonNullable<EnvoyFilterConfigPatch['applyTo']>, 'INVALID'>;
/** How a patch is applied, Istio's unset value left out. */
export type PatchOperation = Exclude<NonNullable<EnvoyFilterPatch['operation']>, 'INVALID'>;
/** Direction of the traffic and type of the proxy that a patch is for. */
export type PatchContext = NonNullable<EnvoyFilterMatch['context']>;

/** Istio's EnvoyFilter resource. */
export interface EnvoyFilter extends KubernetesObject {
  spec: EnvoyFilterSpec;
  status?: MeshStatus;
}
