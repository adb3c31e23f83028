import Type from 'typebox';
import type { KubernetesObject } from '../../runtime/object.ts';
import { connectionPoolSchema } from '../connection-pool.ts';
import { record, stringEnum, uint32 } from '../schema-term.ts';
import { workloadSelectorSchema } from '../selector.ts';
import { serverTlsSchema } from '../server-tls.ts';
import type { MeshStatus } from '../status.ts';

const captureModeSchema = stringEnum(['DEFAULT', 'IPTABLES', 'NONE'], {
  description:
    "How traffic gets to the listener: IPTABLES by redirection, NONE by applications that connect to it. Defaults to the environment's way.",
});

const portSchema = record(
  {
    number: Type.Optional(uint32({ description: 'Port number; 0 where bind is a Unix domain socket.' })),
    protocol: Type.Optional(
      Type.String({ description: 'Protocol as in a ServiceEntry. Without it the proxy detects HTTP by the first bytes.' }),
    ),
    name: Type.Optional(Type.String({ description: 'Name of the port, a DNS label.' })),
    targetPort: Type.Optional(uint32({ description: 'Has no effect here and is refused.' })),
  },
  { description: 'Port of the listener.' },
);

const ingressSchema = record({
  port: portSchema,
  bind: Type.Optional(Type.String({ description: 'IP address to listen on. Defaults to that of the workload.' })),
  captureMode: Type.Optional(captureModeSchema),
  defaultEndpoint: Type.Optional(
    Type.String({
      description:
        'Where requests go: 127.0.0.1:PORT or [::1]:PORT for localhost, 0.0.0.0:PORT or [::]:PORT for the workload address, or unix:///path. Defaults to the port they came for.',
    }),
  ),
  tls: Type.Optional(serverTlsSchema),
  connectionPool: Type.Optional(connectionPoolSchema),
});

const egressSchema = record({
  port: Type.Optional(portSchema),
  bind: Type.Optional(
    Type.String({
      description:
        'IP address or unix:// socket to listen on. Defaults to what the services and captureMode ask for; 127.0.0.1 for NONE.',
    }),
  ),
  captureMode: Type.Optional(captureModeSchema),
  hosts: Type.Array(Type.String(), {
    description:
      "Hosts that can be reached, as namespace/host. The namespace may be '*' for any, '.' for the own, '~' for none; '~' before a namespace excludes.",
  }),
});

const destinationSchema = record(
  {
    host: Type.String({ description: 'Fully qualified name of a service.' }),
    subset: Type.Optional(Type.String({ description: 'Subset of the service, as a DestinationRule names it.' })),
    port: Type.Optional(
      record(
        { number: Type.Optional(uint32({ description: 'Port number.' })) },
        { description: 'Port of the service. Required here.' },
      ),
    ),
  },
  { description: 'Proxy to which unknown traffic goes. Only with mode ALLOW_ANY.' },
);

const outboundTrafficPolicySchema = record(
  {
    mode: Type.Optional(
      stringEnum(['REGISTRY_ONLY', 'ALLOW_ANY'], {
        description:
          'Whether unknown destinations are dropped (REGISTRY_ONLY) or let through (ALLOW_ANY). Defaults to REGISTRY_ONLY once this object is given.',
      }),
    ),
    egressProxy: Type.Optional(destinationSchema),
  },
  { description: "What happens to traffic for destinations that the mesh does not know. Defaults to the mesh's setting." },
);

/** The fields of Istio's `Sidecar`. */
export const sidecarSchema = record(
  {
    workloadSelector: Type.Optional(workloadSelectorSchema),
    ingress: Type.Optional(
      Type.Array(ingressSchema, {
        description: "Listeners for inbound traffic. Defaults to one for each port of the workload's services.",
      }),
    ),
    egress: Type.Optional(
      Type.Array(egressSchema, {
        description:
          'Listeners for outbound traffic, and with them what the workload can reach. Defaults to everything exported to it.',
      }),
    ),
    inboundConnectionPool: Type.Optional(connectionPoolSchema),
    outboundTrafficPolicy: Type.Optional(outboundTrafficPolicySchema),
  },
  {
    description:
      'What the proxies of workloads listen on and can reach. Without a workloadSelector it holds for the whole namespace.',
  },
);

/** How traffic gets to a listener; absent is DEFAULT. */
export type CaptureMode = Type.Static<typeof captureModeSchema>;
/** Port of a listener; `number` absent is 0, which stands for a Unix domain socket. */
export type SidecarPort = Type.Static<typeof portSchema>;
/** A listener for inbound traffic. */
export type IstioIngressListener = Type.Static<typeof ingressSchema>;
/** A listener for outbound traffic; without `port` it is the catch-all that covers every port of its hosts. */
export type IstioEgressListener = Type.Static<typeof egressSchema>;
/** A service, and optionally a subset and port of it. */
export type Destination = Type.Static<typeof destinationSchema>;
/** What happens to unknown outbound traffic; `mode` absent is REGISTRY_ONLY, the whole absent is the mesh's setting. */
export type OutboundTrafficPolicy = Type.Static<typeof outboundTrafficPolicySchema>;
/** What the proxies of some workloads listen on and can reach; see the parts for what absence means. */
export type SidecarSpec = Type.Static<typeof sidecarSchema>;

/** Istio's Sidecar resource. */
export interface Sidecar extends KubernetesObject {
  spec: SidecarSpec;
  status?: MeshStatus;
}
