import Type from 'typebox';
import type { KubernetesObject } from '../../runtime/object.ts';
import { celRules, portNumber, record, stringEnum } from '../schema-term.ts';
import { workloadSelectorSchema } from '../selector.ts';
import type { ServiceEntryStatus } from '../status.ts';
import { workloadEntrySchema } from '../workload-entry/schema.ts';

const servicePortSchema = record({
  number: portNumber({ description: 'The port that clients connect to.' }),
  name: Type.String({ maxLength: 256, description: 'Name of the port, a DNS label; endpoints refer to it.' }),
  protocol: Type.Optional(
    Type.String({
      maxLength: 256,
      description:
        'HTTP, HTTP2, GRPC, GRPC-Web, HTTPS, TLS, TCP, UDP, Mongo, MySQL or Redis, in any case. Without it the proxy detects HTTP by the first bytes.',
    }),
  ),
  targetPort: Type.Optional(
    portNumber({ description: "The port of the endpoints, where they don't name one. Defaults to number." }),
  ),
});

/** The fields of Istio's `ServiceEntry`. */
export const serviceEntrySchema = record(
  {
    hosts: Type.Array(Type.String({ crd: celRules({ rule: "self != '*'", message: 'hostname cannot be wildcard' }) }), {
      minItems: 1,
      maxItems: 256,
      description:
        'DNS names of the service, the first label may be *. HTTP requests are matched by Host, TLS connections by SNI.',
    }),
    addresses: Type.Optional(
      Type.Array(Type.String({ maxLength: 64 }), {
        maxItems: 256,
        description:
          'Virtual IP addresses, IPv4 or IPv6, or CIDR blocks (resolution NONE and STATIC only). Without any, one is assigned.',
      }),
    ),
    ports: Type.Optional(
      Type.Array(servicePortSchema, {
        maxItems: 256,
        description: 'Ports of the service.',
        crd: {
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['name'],
          ...celRules({
            rule: 'self.all(l1, self.exists_one(l2, l1.number == l2.number))',
            message: 'port number cannot be duplicated',
          }),
        },
      }),
    ),
    location: Type.Optional(
      stringEnum(['MESH_EXTERNAL', 'MESH_INTERNAL'], {
        description: 'Whether the service is part of the mesh, which decides on mutual TLS. Defaults to MESH_EXTERNAL.',
      }),
    ),
    resolution: Type.Optional(
      stringEnum(['NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS'], {
        description:
          'How the proxy finds endpoints: NONE, the address the client connected to; STATIC, the given ones; DNS, all addresses of a name; DNS_ROUND_ROBIN, the first one; DYNAMIC_DNS, the name of each request. Defaults to NONE.',
      }),
    ),
    endpoints: Type.Optional(
      Type.Array(workloadEntrySchema, { maxItems: 4096, description: 'Endpoints of the service. Excludes workloadSelector.' }),
    ),
    workloadSelector: Type.Optional(workloadSelectorSchema),
    exportTo: Type.Optional(
      Type.Array(Type.String(), {
        description:
          "Namespaces that see the service: names, '.' for its own, '*' for all, '~' for none. Defaults to the mesh's setting, usually all.",
      }),
    ),
    subjectAltNames: Type.Optional(
      Type.Array(Type.String(), {
        description: "Names of which the server's certificate must carry one. Without any, no name is demanded.",
      }),
    ),
  },
  {
    description: 'A service that Kubernetes does not know: an external one, or one that runs outside of the cluster.',
    crd: celRules(
      {
        rule: '(has(self.workloadSelector) ? 1 : 0) + (has(self.endpoints) ? 1 : 0) <= 1',
        message: 'only one of WorkloadSelector or Endpoints can be set',
      },
      {
        rule: "!((has(self.addresses) ? self.addresses : []).exists(k, k.contains('/')) && !((has(self.resolution) ? self.resolution : 'NONE') in ['STATIC', 'NONE']))",
        message: 'CIDR addresses are allowed only for NONE/STATIC resolution types',
      },
      {
        rule: "((has(self.resolution) ? self.resolution : 'NONE') == 'NONE') ? !has(self.endpoints) : true",
        message: 'NONE mode cannot set endpoints',
      },
      {
        rule: "((has(self.resolution) ? self.resolution : '') == 'DNS_ROUND_ROBIN') ? ((has(self.endpoints) ? self.endpoints : []).size() <= 1) : true",
        message: 'DNS_ROUND_ROBIN mode cannot have multiple endpoints',
      },
    ),
  },
);

/** A port of a ServiceEntry. Without `protocol` it is sniffed; without `targetPort` endpoints listen on `number`. */
export type ServicePort = Type.Static<typeof servicePortSchema>;

/**
 * A service that Kubernetes does not know. Absent means: `location` MESH_EXTERNAL; `resolution` NONE; `exportTo` the mesh's
 * default; `addresses` to be assigned, unless `resolution` is NONE.
 */
export type ServiceEntrySpec = Type.Static<typeof serviceEntrySchema>;

/** How endpoints are found; absent is NONE. */
export type Resolution = NonNullable<ServiceEntrySpec['resolution']>;

/** Whether a service is part of the mesh; absent is MESH_EXTERNAL. */
export type Location = NonNullable<ServiceEntrySpec['location']>;

/** Istio's ServiceEntry resource. */
export interface ServiceEntry extends KubernetesObject {
  spec: ServiceEntrySpec;
  status?: ServiceEntryStatus;
}
