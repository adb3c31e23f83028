import { meshKinds } from '../src/api/index.ts';
import { loadMesh } from '../src/cli/commands/load-mesh.ts';
import { checkObject } from '../src/controllers/check-object.ts';
import type { Mesh } from '../src/mesh/mesh.ts';
import type { EgressView } from '../src/mesh/proxy-view.ts';
import { Scope } from '../src/mesh/scope.ts';
import { compareAge, endpointPort, listenerProtocol, type Service } from '../src/mesh/service.ts';
import { loadPaths } from '../src/sources/file/load-paths.ts';
import { formatAddress } from '../src/xds/bind-address.ts';

/** The proxy that the demo starts, as its Sidecar is chosen by. */
export const client = { namespace: 'demo', pod: 'client-1', labels: { app: 'client' } } as const;

/** Something that listens while the demo runs. */
export interface Listening {
  /** `HOST:PORT`. */
  readonly address: string;
  /** Who listens, for a message: `the service blue`. */
  readonly who: string;
}

/** A small service of the demo's own, at an endpoint that the files name. */
export interface SmallService extends Listening {
  readonly name: string;
  readonly protocol: 'http' | 'tcp';
}

/** A host that is called through the proxy. */
export interface Route extends Listening {
  readonly host: string;
  readonly protocol: 'http' | 'tcp';
}

/** What the files ask the demo to start. */
export interface Plan {
  readonly services: readonly SmallService[];
  readonly routes: readonly Route[];
}

/** Reads the files once and plans from what is valid in them. */
export async function readPlan(samples: string): Promise<Plan> {
  const { objects } = await loadPaths([samples], { kinds: meshKinds, validate: checkObject });
  return planDemo(await loadMesh(objects));
}

/**
 * A call for each host that the client's proxy listens for by itself (`captureMode: NONE`), and a small service for each
 * endpoint of these hosts that is on loopback.
 */
export function planDemo(mesh: Mesh): Plan {
  const sidecar = mesh.sidecars.select(client.namespace, client.labels, mesh.config.rootNamespace);
  const routes = new Map<string, Route>();
  const services = new Map<string, SmallService>();
  for (const egress of new Scope(mesh, client.namespace, sidecar).egress) {
    const protocol = callProtocol(egress);
    if (!protocol) continue;
    for (const { service, route } of routesOf(egress, protocol)) {
      routes.set(`${route.host} ${route.address}`, route);
      for (const small of smallServices(service, protocol)) {
        if (!services.has(small.address)) services.set(small.address, small);
      }
    }
  }
  return { services: [...services.values()].sort(byAddress), routes: [...routes.values()].sort(byAddress) };
}

/** How a listener can be called; undefined: it has no port of its own, or speaks something that the demo does not. */
function callProtocol({ spec: { port, bind = '127.0.0.1', captureMode } }: EgressView): 'http' | 'tcp' | undefined {
  if (!port || captureMode !== 'NONE' || bind.startsWith('unix:')) return undefined;
  const protocol = listenerProtocol(port.protocol);
  return protocol === 'http' || protocol === 'tcp' ? protocol : undefined;
}

function routesOf({ spec, services }: EgressView, protocol: 'http' | 'tcp'): { service: Service; route: Route }[] {
  const address = formatAddress(spec.bind ?? '127.0.0.1', spec.port!.number);
  const candidates = [...services.values()]
    .filter((service) => !service.spec.hostname.startsWith('*'))
    .sort((a, b) => compareAge(a.spec, b.spec));
  // Nothing tells TCP services on one port apart: the oldest has it.
  return (protocol === 'tcp' ? candidates.slice(0, 1) : candidates).map((service) => ({
    service,
    route: { host: service.spec.hostname, address, protocol, who: "the proxy, for the Sidecar's egress listener" },
  }));
}

function smallServices({ spec, endpoints }: Service, protocol: 'http' | 'tcp'): SmallService[] {
  return spec.ports.flatMap((port) =>
    endpoints
      .filter(({ address }) => address.startsWith('127.') || address === '::1')
      .map((endpoint) => {
        const { version, app } = endpoint.labels;
        const address = formatAddress(endpoint.address, endpointPort(endpoint, port));
        const name = version ?? app ?? address;
        return { name, address, protocol, who: `the service ${name}` };
      }),
  );
}

function byAddress(a: Listening, b: Listening): number {
  return a.address < b.address ? -1 : a.address > b.address ? 1 : 0;
}
