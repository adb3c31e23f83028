import { createHash } from 'node:crypto';
import { typeUrls } from '../envoy/resource.ts';
import { AdsClient, type Verdict } from '../xds/testing/ads-client.ts';
import type { ClientResponse } from '../xds/testing/client-state.ts';
import type { Variant } from '../xds/wire/encode-response.ts';

/** A proxy to simulate. */
export interface SimulatedProxy {
  readonly namespace: string;
  readonly name: string;
  readonly ip: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly variant: Variant;
  /** Default: acknowledges everything. */
  readonly judge?: (response: ClientResponse) => Verdict;
}

/** Proxies over several namespaces, labels and both variants, of which many share a class and some are alone. */
export function mixedProxies(count: number, namespaces: readonly string[]): SimulatedProxy[] {
  return Array.from(
    { length: count },
    (_, index): SimulatedProxy => ({
      namespace: namespaces[index % namespaces.length]!,
      name: `proxy-${index}`,
      ip: `10.0.${index >> 8}.${index & 255}`,
      labels: index % 4 === 0 ? { app: 'x' } : index % 4 === 1 ? { app: 'y' } : {},
      variant: index % 5 === 4 ? 'sotw' : 'delta',
    }),
  );
}

interface Connected {
  readonly proxy: SimulatedProxy;
  client: AdsClient;
  address: string;
}

/** Simulated proxies that follow references as Envoy does, and can lose their stream and go on elsewhere with what they hold. */
export class SimulatedFleet {
  readonly #connected: Connected[] = [];

  /** Connects proxies. */
  connect(address: string, proxies: readonly SimulatedProxy[]): void {
    for (const proxy of proxies) {
      const client = open(address, proxy);
      client.subscribeAll(typeUrls.cluster);
      client.subscribeAll(typeUrls.listener);
      this.#connected.push({ proxy, client, address });
    }
  }

  get proxies(): SimulatedProxy[] {
    return this.#connected.map(({ proxy }) => proxy);
  }

  /** How many are connected to this address. */
  at(address: string): number {
    return this.#connected.filter((each) => each.address === address).length;
  }

  /**
   * Ends the streams of the chosen proxies and opens them anew with what each holds.
   * @param address where; default: where it was
   * @param judge how they answer from now on; default: as they were made
   */
  reconnect(
    chosen: (proxy: SimulatedProxy, address: string) => boolean,
    { address, judge }: { readonly address?: string; readonly judge?: SimulatedProxy['judge'] } = {},
  ): void {
    for (const each of this.#connected) {
      if (!chosen(each.proxy, each.address)) continue;
      each.client.close();
      each.address = address ?? each.address;
      each.client = open(each.address, judge ? { ...each.proxy, judge } : each.proxy, each.client);
    }
  }

  /** Proxies whose stream has ended, by name and reason. */
  async ended(): Promise<string[]> {
    const running = new Promise<undefined>((resolve) => setImmediate(resolve, undefined));
    const ends = await Promise.all(this.#connected.map(({ client }) => Promise.race([client.ended, running])));
    return ends.flatMap((end, index) => (end ? [`${this.#connected[index]!.proxy.name}: ${end.details}`] : []));
  }

  /** What every proxy holds: `NAMESPACE/PROXY TYPE RESOURCE`, and a hash of its bytes. */
  held(): Map<string, string> {
    const held = new Map<string, string>();
    for (const { proxy, client } of this.#connected) {
      for (const [typeUrl, { resources }] of client.held) {
        const type = typeUrl.slice(typeUrl.lastIndexOf('.') + 1);
        for (const [name, { value }] of resources) held.set(`${proxy.namespace}/${proxy.name} ${type} ${name}`, hashOf(value));
      }
    }
    return held;
  }

  close(): void {
    for (const { client } of this.#connected) client.close();
  }
}

/** What one side holds that the other does not, or holds differently; at most ten lines. */
export function differencesOf(held: ReadonlyMap<string, string>, wanted: ReadonlyMap<string, string>): string[] {
  const lines: string[] = [];
  for (const [resource, hash] of wanted) {
    const own = held.get(resource);
    if (own !== hash) lines.push(`${resource}: ${own === undefined ? 'missing' : 'different'}`);
  }
  for (const resource of held.keys()) if (!wanted.has(resource)) lines.push(`${resource}: not wanted`);
  return lines.length > 10 ? [...lines.slice(0, 10), `and ${lines.length - 10} more`] : lines;
}

function open(address: string, proxy: SimulatedProxy, resume?: AdsClient): AdsClient {
  const { namespace, name, ip, labels, variant, judge } = proxy;
  const client = new AdsClient({
    address,
    variant,
    follow: true,
    node: {
      id: `sidecar~${ip}~${name}.${namespace}~${namespace}.svc.cluster.local`,
      metadata: { NAMESPACE: namespace, LABELS: { ...labels }, INSTANCE_IPS: ip, CLUSTER_ID: 'Kubernetes' },
    },
    ...(judge ? { judge } : {}),
    ...(resume ? { resume } : {}),
  });
  client.recording = false;
  return client;
}

const hashes = new WeakMap<Uint8Array, string>();

function hashOf(value: Uint8Array): string {
  const known = hashes.get(value);
  if (known !== undefined) return known;
  const hash = createHash('sha256').update(value).digest('base64');
  hashes.set(value, hash);
  return hash;
}
