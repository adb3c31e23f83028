import { stringify } from 'yaml';
import type { EnvoyFilterSpec } from '../../src/api/envoy-filter/schema.ts';
import type { ServiceEntrySpec } from '../../src/api/service-entry/schema.ts';
import type { SidecarSpec } from '../../src/api/sidecar/schema.ts';
import type { WorkloadEntrySpec } from '../../src/api/workload-entry/schema.ts';

/** An object as a test writes it into a file. */
export interface MeshObject {
  kind: 'ServiceEntry' | 'Sidecar' | 'WorkloadEntry' | 'EnvoyFilter';
  namespace: string;
  name: string;
  spec: unknown;
  labels?: Record<string, string>;
  /** Decides which of two objects is the older; default: when the control plane first saw it. */
  creationTimestamp?: string;
}

/** Metadata beyond the name. */
export type ObjectExtras = Pick<MeshObject, 'labels' | 'creationTimestamp'>;

const make =
  <Spec>(kind: MeshObject['kind']) =>
  (path: string, spec: Spec, extras: ObjectExtras = {}): MeshObject => {
    const [name = '', namespace = 'default'] = path.split('/').reverse();
    return { kind, namespace, name, spec, ...extras };
  };

/** A ServiceEntry; `path` is NAME or NAMESPACE/NAME. */
export const serviceEntry = make<ServiceEntrySpec>('ServiceEntry');
/** A Sidecar; `path` is NAME or NAMESPACE/NAME. */
export const sidecar = make<SidecarSpec>('Sidecar');
/** A WorkloadEntry; `path` is NAME or NAMESPACE/NAME. */
export const workloadEntry = make<WorkloadEntrySpec>('WorkloadEntry');
/** An EnvoyFilter; `path` is NAME or NAMESPACE/NAME. */
export const envoyFilter = make<EnvoyFilterSpec>('EnvoyFilter');

/** Istio has EnvoyFilter in this version only. */
const apiVersionOf = (kind: MeshObject['kind']) => `networking.istio.io/${kind === 'EnvoyFilter' ? 'v1alpha3' : 'v1'}`;

/** The YAML documents of a file. */
export const toYaml = (objects: readonly MeshObject[]): string =>
  objects.map(({ kind, spec, ...metadata }) => stringify({ apiVersion: apiVersionOf(kind), kind, metadata, spec })).join('---\n');

/** The spec of a host with fixed endpoints on one port: the shape that most tests need. */
export const staticHost = (
  host: string,
  port: { number: number; protocol: string },
  endpoints: readonly { address: string; port?: number }[],
): ServiceEntrySpec => ({
  hosts: [host],
  ports: [{ ...port, name: 'main' }],
  resolution: 'STATIC',
  endpoints: endpoints.map(({ address, port: own }) => ({ address, ...(own ? { ports: { main: own } } : {}) })),
});
