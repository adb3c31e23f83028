import type { KubernetesObject } from '../../runtime/object.ts';
import { defined, type KubernetesKind, type SentObject, slimMetadata } from './kind.ts';

/** A core/v1 Pod, as far as Weft reads it. */
export interface Pod extends KubernetesObject {
  readonly spec: {
    /** Absent until it is scheduled. */
    readonly nodeName?: string;
  };
  readonly status: {
    readonly phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown';
    /** Every address, the primary family's first; empty until it has one. */
    readonly podIPs: readonly string[];
    /** The condition `Ready` is true. */
    readonly isReady: boolean;
  };
  /** TCP ports that containers name, by that name; of several with one name the first (Kubernetes' rule). */
  readonly namedPorts: Readonly<Record<string, number>>;
}

interface SentContainer {
  readonly restartPolicy?: string;
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number; readonly protocol?: string }[];
}

interface SentPod extends SentObject {
  readonly spec?: {
    readonly nodeName?: string;
    readonly containers?: readonly SentContainer[];
    readonly initContainers?: readonly SentContainer[];
  };
  readonly status?: {
    readonly phase?: Pod['status']['phase'];
    readonly podIP?: string;
    readonly podIPs?: readonly (string | { readonly ip?: string })[];
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly isReady?: boolean;
  };
  readonly namedPorts?: Readonly<Record<string, number>>;
}

/** Kubernetes' Pod. */
export const podKind: KubernetesKind<Pod> = {
  group: '',
  version: 'v1',
  servedVersions: ['v1'],
  kind: 'Pod',
  plural: 'pods',
  scope: 'Namespaced',
  slim(object) {
    const sent = object as SentPod;
    const { phase = 'Unknown', podIP, podIPs, conditions, isReady } = sent.status ?? {};
    const addresses = (podIPs ?? []).map((each) => (typeof each === 'string' ? each : each.ip)).filter((ip) => ip !== undefined);
    return {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: slimMetadata(sent, { labels: 'all' }),
      spec: defined<Pod['spec']>({ nodeName: sent.spec?.nodeName }),
      status: {
        phase,
        podIPs: addresses.length ? addresses : podIP ? [podIP] : [],
        isReady: isReady ?? conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false,
      },
      namedPorts: sent.namedPorts ?? namedPortsOf(sent.spec),
    };
  },
};

/** Init containers that go on running beside the rest serve ports too. */
function namedPortsOf(spec: SentPod['spec']): Record<string, number> {
  const sidecars = (spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  const named: Record<string, number> = {};
  for (const { ports = [] } of [...(spec?.containers ?? []), ...sidecars]) {
    for (const { name, containerPort, protocol = 'TCP' } of ports) {
      if (name && protocol === 'TCP' && !Object.hasOwn(named, name)) named[name] = containerPort;
    }
  }
  return named;
}
