import type { ServiceEntry } from '../src/api/service-entry/schema.ts';
import type { Sidecar } from '../src/api/sidecar/schema.ts';
import type { WorkloadEntry } from '../src/api/workload-entry/schema.ts';
import type { KubernetesObject } from '../src/runtime/object.ts';
import type { ProxyShape } from './processes/load-clients.ts';

/** How large a world is. The same shape gives the same world, byte for byte. */
export interface WorldShape {
  readonly serviceEntries: number;
  /** The entries are spread evenly over this many namespaces. */
  readonly namespaces: number;
  /** Each namespace has a Sidecar that sees its own hosts and those of {@link sharedNamespace}. */
  readonly sidecars: boolean;
}

/** Where the objects live that every Sidecar sees, and that the benchmarks change. */
export const sharedNamespace = 'shared';

const apiVersion = 'networking.istio.io/v1';

/** The name of a namespace by its number. */
export function namespaceName(index: number): string {
  return `ns-${String(index).padStart(3, '0')}`;
}

/** Proxies spread evenly over the first namespaces; `from`: how many there are already. */
export function spreadProxies(count: number, namespaces: number, from = 0): ProxyShape[] {
  return Array.from({ length: count }, (_, index) => ({ namespace: namespaceName((from + index) % namespaces) }));
}

/** The objects of a world by namespace, without Sidecars and without anything shared. */
export function* worldNamespaces(shape: WorldShape): Generator<[namespace: string, objects: KubernetesObject[]]> {
  for (let index = 0; index < shape.namespaces; index++) {
    const namespace = namespaceName(index);
    const objects: KubernetesObject[] = [];
    for (let entry = index; entry < shape.serviceEntries; entry += shape.namespaces) {
      objects.push(...worldEntry((entry - index) / shape.namespaces, entry, namespace));
    }
    yield [namespace, objects];
  }
}

/**
 * One ServiceEntry with what belongs to it. In a namespace, of each 20: 11 HTTP with two endpoints, 1 HTTP that selects two
 * WorkloadEntries, 4 HTTPS by DNS, 2 TCP with an address of their own, 2 gRPC with three endpoints in two zones.
 */
function worldEntry(position: number, number: number, namespace: string): KubernetesObject[] {
  const name = `svc-${String(number).padStart(5, '0')}`;
  const hosts = [`${name}.${namespace}.example.com`];
  const entry = (spec: Omit<ServiceEntry['spec'], 'hosts'>): ServiceEntry => ({
    apiVersion,
    kind: 'ServiceEntry',
    metadata: { name, namespace },
    spec: { hosts, ...spec },
  });
  const address = (nth: number) => addressOf(10, number * 4 + nth);
  switch (position % 10) {
    case 6:
    case 7:
      return [
        entry({ location: 'MESH_EXTERNAL', resolution: 'DNS', ports: [{ number: 443, name: 'https', protocol: 'HTTPS' }] }),
      ];
    case 8:
      return [
        entry({
          addresses: [addressOf(172, number)],
          resolution: 'STATIC',
          ports: [{ number: 5432, name: 'tcp', protocol: 'TCP' }],
          endpoints: [{ address: address(0) }],
        }),
      ];
    case 9:
      return [
        entry({
          location: 'MESH_INTERNAL',
          resolution: 'STATIC',
          ports: [{ number: 9090, name: 'grpc', protocol: 'GRPC' }],
          endpoints: [0, 1, 2].map((nth) => ({ address: address(nth), locality: `region/zone-${nth % 2}` })),
        }),
      ];
  }
  const http = {
    location: 'MESH_INTERNAL',
    resolution: 'STATIC',
    ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
  } as const;
  const spec = { ...http, ports: [...http.ports] };
  if (position % 20 > 0) return [entry({ ...spec, endpoints: [{ address: address(0) }, { address: address(1) }] })];
  const labels = { app: name };
  const workloads = [0, 1].map(
    (nth): WorkloadEntry => ({
      apiVersion,
      kind: 'WorkloadEntry',
      metadata: { name: `${name}-${nth}`, namespace },
      spec: { address: address(nth), labels },
    }),
  );
  return [entry({ ...spec, workloadSelector: { labels } }), ...workloads];
}

/** An HTTP service of ten endpoints that the benchmarks change; each `revision` has a tenth endpoint of its own. */
export function changingEntry(name: string, namespace: string, revision = 0): ServiceEntry {
  const endpoints = Array.from({ length: 9 }, (_, index) => ({ address: addressOf(11, index + 1) }));
  return {
    apiVersion,
    kind: 'ServiceEntry',
    metadata: { name, namespace },
    spec: {
      hosts: [`${name}.${namespace}.example.com`],
      location: 'MESH_INTERNAL',
      resolution: 'STATIC',
      ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
      endpoints: [...endpoints, { address: addressOf(11, 1000 + revision) }],
    },
  };
}

/** The cluster that a proxy has for a {@link changingEntry}. */
export function changingCluster(name: string, namespace: string): string {
  return `outbound|80||${name}.${namespace}.example.com`;
}

/** The Sidecar of a namespace; `further` hosts of other namespaces as `namespace/host`. */
export function namespaceSidecar(namespace: string, further: readonly string[] = []): Sidecar {
  return {
    apiVersion,
    kind: 'Sidecar',
    metadata: { name: 'default', namespace },
    spec: { egress: [{ hosts: ['./*', `${sharedNamespace}/*`, ...further] }] },
  };
}

/** An HTTP host of a namespace as a Sidecar's egress names it, and its cluster. */
export function foreignHost(namespace: number, shape: WorldShape): { readonly host: string; readonly cluster: string } {
  const number = String(namespace + shape.namespaces).padStart(5, '0');
  const host = `svc-${number}.${namespaceName(namespace)}.example.com`;
  return { host: `${namespaceName(namespace)}/${host}`, cluster: `outbound|80||${host}` };
}

function addressOf(firstOctet: number, number: number): string {
  return `${firstOctet}.${16 + ((number >> 16) & 15)}.${(number >> 8) & 255}.${number & 255}`;
}
