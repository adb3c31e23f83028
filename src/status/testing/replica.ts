import type { KubeConfig } from '@kubernetes/client-node';
import { Registry } from 'prom-client';
import { parse } from 'yaml';
import { meshKindOf, meshKinds } from '../../api/index.ts';
import { createMeshControllers } from '../../controllers/index.ts';
import { typeUrls } from '../../envoy/resource.ts';
import { Mesh } from '../../mesh/mesh.ts';
import { Cache } from '../../runtime/cache/cache.ts';
import { Client } from '../../runtime/client/client.ts';
import { RestClient } from '../../runtime/client/rest-client.ts';
import { systemClock } from '../../runtime/clock.ts';
import { type Logger, silentLogger } from '../../runtime/logger.ts';
import type { KubernetesObject } from '../../runtime/object.ts';
import type { Runnable } from '../../runtime/runnable.ts';
import { KubernetesCacheSource } from '../../sources/kubernetes/kubernetes-cache-source.ts';
import { MeshClasses } from '../../xds/mesh-classes.ts';
import { createXdsServer, type XdsServer } from '../../xds/server.ts';
import { AdsClient, type AdsClientOptions } from '../../xds/testing/ads-client.ts';
import type { PublishedObject } from '../published-status.ts';

/** One replica of the control plane on a real API server, from its list-watch to its xDS port. */
export class Replica {
  readonly rest: RestClient;
  readonly cache = new Cache();
  readonly client: Client;
  readonly mesh = new Mesh();
  readonly xds: XdsServer;
  readonly logger: Logger;
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>[] = [];
  readonly #proxies: AdsClient[] = [];
  #address = '';

  constructor(kubeConfig: KubeConfig, logger: Logger = silentLogger) {
    this.logger = logger;
    this.rest = new RestClient({ kubeConfig });
    this.client = new Client({ rest: this.rest, cache: this.cache, fieldManager: 'weft' });
    const classes = new MeshClasses(this.mesh);
    this.xds = createXdsServer({ classes, clock: systemClock, logger: silentLogger, registry: new Registry() });
  }

  async start(): Promise<void> {
    const { cache, rest, mesh } = this;
    const source = new KubernetesCacheSource({ rest, cache, kinds: meshKinds.map((kind) => ({ kind })), logger: silentLogger });
    const controllers = createMeshControllers({ cache, mesh, logger: silentLogger });
    this.#running.push(...[source, ...controllers].map((part) => part.start(this.#stop.signal)));
    await source.waitForReady(this.#stop.signal);
    await Promise.all(controllers.map(({ caughtUp }) => caughtUp));
    this.#address = (await this.xds.listen('127.0.0.1', 0)).address;
  }

  /** Runs something until the returned function, or the end of the replica. */
  run(runnable: Pick<Runnable, 'start'>): () => Promise<void> {
    const end = new AbortController();
    const ended = runnable.start(AbortSignal.any([end.signal, this.#stop.signal]));
    this.#running.push(ended);
    return () => {
      end.abort();
      return ended;
    };
  }

  /** Connects a proxy of namespace `shop`. */
  connect(name: string, options: Partial<AdsClientOptions> = {}): AdsClient {
    const node = { id: `sidecar~10.1.1.1~${name}.shop~shop.svc.cluster.local`, cluster: name };
    const proxy = new AdsClient({ address: this.#address, variant: 'delta', follow: true, node, ...options });
    this.#proxies.push(proxy);
    proxy.subscribeAll(typeUrls.cluster);
    proxy.subscribeAll(typeUrls.listener);
    return proxy;
  }

  /** Ends it, and the proxies connected to it. */
  async stop(): Promise<void> {
    for (const proxy of this.#proxies) proxy.close();
    this.#stop.abort();
    await this.xds.close({ deadlineMs: 1_000 });
    await Promise.allSettled(this.#running);
    this.rest.close();
  }
}

/** As `kubectl apply -f`: server-side, from YAML. */
export async function applyYaml(client: Client, yaml: string): Promise<PublishedObject> {
  const object = parse(yaml) as KubernetesObject;
  const kind = meshKindOf(object.apiVersion, object.kind)!;
  return (await client.apply(kind, object as never, { fieldManager: 'kubectl', force: true })) as PublishedObject;
}

/** A ServiceEntry of namespace `shop` for `<name>.example.com`. */
export function serviceEntryYaml(name: string, { address = '10.0.0.1', metadata = '', spec = '' } = {}): string {
  return `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: ${name}
  namespace: shop
  ${metadata}
spec:
  hosts: [${name}.example.com]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: ${address} }]
  ${spec}
`;
}
