import type { KubernetesObject } from '../../runtime/object.ts';
import { defined, type KubernetesKind, type SentObject, slimMetadata } from './kind.ts';

/** Istio's annotation of a Service: the namespaces that see it, separated by commas; `.`, `*` and `~` as in `exportTo`. */
export const exportToAnnotation = 'networking.istio.io/exportTo';

/** A port of a Service. */
export interface KubernetesServicePort {
  /** Absent where the Service has only one port. */
  readonly name?: string;
  /** Default TCP. */
  readonly protocol?: 'TCP' | 'UDP' | 'SCTP';
  /** IANA names, `kubernetes.io/h2c`, or a name of Istio's protocols. */
  readonly appProtocol?: string;
  readonly port: number;
  /** A number, or the name of a port of the pods; absent: `port`. */
  readonly targetPort?: number | string;
}

/** A core/v1 Service, as far as Weft reads it. Its status, which load balancers write, is not. */
export interface KubernetesService extends KubernetesObject {
  readonly spec: {
    /** Default ClusterIP. */
    readonly type?: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
    /** `None`: headless. */
    readonly clusterIP?: string;
    /** One of each family, `clusterIP` first. */
    readonly clusterIPs?: readonly string[];
    readonly externalName?: string;
    readonly selector?: Readonly<Record<string, string>>;
    readonly ports?: readonly KubernetesServicePort[];
  };
}

/** Kubernetes' Service. */
export const serviceKind: KubernetesKind<KubernetesService> = {
  group: '',
  version: 'v1',
  servedVersions: ['v1'],
  kind: 'Service',
  plural: 'services',
  scope: 'Namespaced',
  slim(object) {
    const sent = object as SentObject & { readonly spec?: KubernetesService['spec'] };
    const { type, clusterIP, clusterIPs, externalName, selector, ports } = sent.spec ?? {};
    return {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: slimMetadata(sent, { annotations: [exportToAnnotation] }),
      spec: defined<KubernetesService['spec']>({
        type,
        clusterIP,
        clusterIPs: clusterIPs && [...clusterIPs],
        externalName,
        selector: selector && { ...selector },
        ports: ports?.map(slimPort),
      }),
    };
  },
};

function slimPort({ name, protocol, appProtocol, port, targetPort }: KubernetesServicePort): KubernetesServicePort {
  return defined<KubernetesServicePort>({ name, protocol, appProtocol, port, targetPort });
}
