/**
 * A core/v1 Pod as an admission review or a file holds it: the fields that injection reads or writes are named, every other one is
 * carried along untouched.
 */
export interface Pod {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: PodMetadata;
  readonly spec: PodSpec;
  readonly [field: string]: unknown;
}

export interface PodMetadata {
  readonly name?: string;
  readonly generateName?: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly [field: string]: unknown;
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly controller?: boolean;
  readonly [field: string]: unknown;
}

export interface PodSpec {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly Named[];
  readonly imagePullSecrets?: readonly Named[];
  readonly hostNetwork?: boolean;
  readonly serviceAccountName?: string;
  readonly [field: string]: unknown;
}

/** An entry of a list that is known by its name: a volume, a secret. */
export interface Named {
  readonly name: string;
  readonly [field: string]: unknown;
}

export interface Container {
  readonly name: string;
  readonly image?: string;
  readonly args?: readonly string[];
  readonly env?: readonly EnvironmentVariable[];
  readonly ports?: readonly ContainerPort[];
  readonly restartPolicy?: string;
  readonly resources?: Resources;
  readonly securityContext?: SecurityContext;
  readonly volumeMounts?: readonly VolumeMount[];
  readonly readinessProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly startupProbe?: Probe;
  readonly lifecycle?: Lifecycle;
  readonly [field: string]: unknown;
}

export interface EnvironmentVariable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: Readonly<Record<string, unknown>>;
}

export interface ContainerPort {
  readonly name?: string;
  readonly containerPort: number;
  readonly protocol?: string;
  readonly [field: string]: unknown;
}

export interface VolumeMount {
  readonly name: string;
  readonly mountPath: string;
  readonly [field: string]: unknown;
}

/** Requests and limits by resource, as quantities: `100m`, `128Mi`. */
export interface Resources {
  readonly requests?: Readonly<Record<string, string | number>>;
  readonly limits?: Readonly<Record<string, string | number>>;
  readonly [field: string]: unknown;
}

export interface SecurityContext {
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
  readonly [field: string]: unknown;
}

/** What a probe or a lifecycle hook does; one of the fields is there. */
export interface Handler {
  readonly httpGet?: HttpGetAction;
  readonly tcpSocket?: TcpSocketAction;
  readonly grpc?: GrpcAction;
  readonly [field: string]: unknown;
}

export interface HttpGetAction {
  /** Default `/`. */
  readonly path?: string;
  /** A number, or the name of one of the container's ports. */
  readonly port: number | string;
  /** Default: the pod's address. */
  readonly host?: string;
  /** Default HTTP. */
  readonly scheme?: string;
  readonly httpHeaders?: readonly { readonly name: string; readonly value: string }[];
}

export interface TcpSocketAction {
  readonly port: number | string;
  readonly host?: string;
}

export interface GrpcAction {
  readonly port: number;
  /** The service that is asked about. Default: the whole server. */
  readonly service?: string;
}

export interface Probe extends Handler {
  readonly initialDelaySeconds?: number;
  readonly periodSeconds?: number;
  readonly failureThreshold?: number;
  /** Default 1. */
  readonly timeoutSeconds?: number;
}

export interface Lifecycle {
  readonly postStart?: Handler;
  readonly preStop?: Handler;
}

/** The sidecar's container. */
export const proxyContainerName = 'istio-proxy';
/** The init container that applies the iptables rules. */
export const initContainerName = 'istio-init';

/** How a message names a pod that may not have its name yet: `shop/web-7d4b9-` ends in a star where the name is generated. */
export function podName(pod: Pod, namespace: string): string {
  const { name, generateName } = pod.metadata ?? {};
  return `${namespace}/${name || (generateName ? `${generateName}*` : '(no name)')}`;
}
