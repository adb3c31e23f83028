import { serviceEntryKind, sidecarKind, workloadEntryKind } from '../api/index.ts';
import { endpointSliceKind, serviceNameLabel } from '../api/kubernetes/endpoint-slice.ts';
import { serviceKind } from '../api/kubernetes/service.ts';
import { objectPath } from '../runtime/client/resource-path.ts';
import type { RestClient } from '../runtime/client/rest-client.ts';
import type { ResourceKind } from '../runtime/resource-kind.ts';
import { namespaceKind } from '../runtime/testing/kubernetes-kinds.ts';

/** An object as it is applied. */
interface Applied {
  readonly kind: ResourceKind;
  readonly namespace?: string;
  readonly name: string;
  readonly labels?: Record<string, string>;
  readonly body: object;
}

/** Applies on the server, as `kubectl apply --server-side`. */
export async function applyObject(rest: RestClient, { kind, namespace, name, labels, body }: Applied): Promise<void> {
  const apiVersion = kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;
  await rest.request({
    method: 'PATCH',
    path: objectPath(kind, namespace === undefined ? name : `${namespace}/${name}`),
    query: { fieldManager: 'kubectl', force: true },
    contentType: 'application/apply-patch+yaml',
    body: { apiVersion, kind: kind.kind, metadata: { name, namespace, labels }, ...body },
  });
}

/** A world of namespaces `shop` and `client` in which each round changes, adds and deletes something of every kind that matters. */
export class ChangingWorld {
  readonly #rest: RestClient;
  #round = 0;

  /** @param rest past any fault */
  constructor(rest: RestClient) {
    this.#rest = rest;
  }

  /** What stays, and a first round. */
  async begin(): Promise<void> {
    for (const name of ['shop', 'client', 'weft-system']) await applyObject(this.#rest, { kind: namespaceKind, name, body: {} });
    const ports = [{ name: 'http', port: 80, targetPort: 8080 }];
    await this.#apply(serviceKind, 'shop', 'cart', { spec: { ports } });
    await this.change();
  }

  /** The next round: hosts, endpoints, scopes and workloads move; what the round before brought goes. */
  async change(): Promise<void> {
    const [before, round] = [this.#round, ++this.#round];
    await this.#apply(serviceEntryKind, 'shop', 'moves', { spec: serviceEntry('moves', `192.0.2.${round}`) });
    await this.#apply(serviceEntryKind, 'client', `comes-${round}`, { spec: serviceEntry(`comes-${round}`, '192.0.2.1') });
    const { endpoints: _, ...spec } = serviceEntry('workloads', '');
    await this.#apply(serviceEntryKind, 'shop', 'workloads', {
      spec: { ...spec, workloadSelector: { labels: { app: `app-${round % 2}` } } },
    });
    await this.#apply(workloadEntryKind, 'shop', `vm-${round}`, {
      spec: { address: `192.0.2.${100 + round}`, labels: { app: `app-${round % 2}` } },
    });
    await this.#apply(sidecarKind, 'client', 'default', {
      spec: { egress: [{ hosts: [round % 2 ? '*/*' : 'shop/*', './*'] }] },
    });
    await applyObject(this.#rest, {
      kind: endpointSliceKind,
      ...{ namespace: 'shop', name: 'cart-1', labels: { [serviceNameLabel]: 'cart' } },
      body: {
        addressType: 'IPv4',
        ports: [{ name: 'http', port: 8080 }],
        endpoints: [{ addresses: [`198.51.100.${round}`], conditions: { ready: true } }],
      },
    });
    if (before === 0) return;
    await this.remove(serviceEntryKind, `client/comes-${before}`);
    await this.remove(workloadEntryKind, `shop/vm-${before}`);
  }

  async remove(kind: ResourceKind, name: string): Promise<void> {
    await this.#rest.request({ method: 'DELETE', path: objectPath(kind, name as `${string}/${string}`) });
  }

  #apply(kind: ResourceKind, namespace: string, name: string, body: object): Promise<void> {
    return applyObject(this.#rest, { kind, namespace, name, body });
  }
}

/** The spec of an HTTP service of one endpoint. */
export function serviceEntry(name: string, address: string) {
  return {
    hosts: [`${name}.example.com`],
    ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
    resolution: 'STATIC',
    location: 'MESH_INTERNAL',
    endpoints: [{ address }],
  };
}
