import { typeUrls } from '../../src/envoy/resource.ts';
import { AdsClient } from '../../src/xds/testing/ads-client.ts';
import type { ClientResponse } from '../../src/xds/testing/client-state.ts';
import { envoyReader, type ResourceReader } from '../../src/xds/testing/resource-reader.ts';
import { type Mark, MarkedChange, PushRound } from '../arrivals.ts';
import { nowMs } from '../clock.ts';
import { namespaceName } from '../worlds.ts';
import { serve } from './serve.ts';

/** A response, to be written once more by another server. */
export interface SentResponse {
  readonly typeUrl: string;
  readonly resources: readonly { readonly name: string; readonly version: string; readonly value: Uint8Array }[];
  readonly removed: readonly string[];
}

interface Proxy {
  readonly namespace: string;
  readonly client: AdsClient;
}

const proxies: Proxy[] = [];
let change: MarkedChange | undefined;
let round: PushRound | undefined;
let sample: SentResponse[] = [];

const operations = {
  /** Connects delta proxies to a control plane, all at once, spread over the namespaces. Answers when the last was in sync. */
  async connect({ address, count, namespaces }: { address: string; count: number; namespaces: number }): Promise<number> {
    const synced: Promise<number>[] = [];
    for (let added = 0; added < count; added++) {
      const namespace = namespaceName(proxies.length % namespaces);
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      const client = open(address, proxies.length, namespace, () => isInSync(client) && resolve(nowMs()));
      void client.ended.then(({ details }) => reject(new Error(`a proxy's stream ended: ${details}`)));
      client.subscribeAll(typeUrls.cluster);
      client.subscribeAll(typeUrls.listener);
      synced.push(promise);
    }
    return Math.max(...(await within(60_000, Promise.all(synced), 'not all proxies came in sync')));
  },

  /** Connects to a server that only pushes. */
  connectBare({ address, count }: { address: string; count: number }): void {
    for (let added = 0; added < count; added++) {
      open(address, proxies.length, 'bare', () => {}).sendRequest({ typeUrl: typeUrls.cluster });
    }
  },

  /** Announces a round of pushes, so many responses to each proxy. */
  expectRound({ responsesEach }: { responsesEach: number }): void {
    round = new PushRound(proxies.length, responsesEach);
  },

  /** When the announced round's last acknowledgement was written. */
  roundArrived(_: undefined): Promise<number> {
    return within(20_000, round!.arrived, 'the round did not reach all clients');
  },

  /** Announces a change. Answers how many proxies it is expected at: those of one namespace, or all. */
  expect({ marks, namespace }: { marks: readonly Mark[]; namespace?: string | undefined }): number {
    const expected = proxies.filter((proxy) => namespace === undefined || proxy.namespace === namespace);
    change = new MarkedChange(
      marks,
      expected.map(({ client }) => client),
    );
    sample = [];
    return expected.length;
  },

  /** When the last proxy wrote its last acknowledgement of the announced change. */
  arrived(_: undefined): Promise<number> {
    return within(20_000, change!.arrived, 'the change did not reach all proxies');
  },

  /** What the first proxy was sent since the last change was announced. */
  sample(_: undefined): SentResponse[] {
    return sample;
  },
};

export type LoadClientsOperations = typeof operations;

function open(address: string, index: number, namespace: string, onResponse: () => void): AdsClient {
  const ip = `192.168.${index >> 8}.${index & 255}`;
  const client = new AdsClient({
    address,
    variant: 'delta',
    node: { id: `sidecar~${ip}~proxy-${index}.${namespace}~${namespace}.svc.cluster.local`, metadata: { NAMESPACE: namespace } },
    follow: true,
    reader: rememberingReader,
    onResponse(response) {
      const at = nowMs();
      change?.note(client, response, at);
      round?.note(at);
      if (client === proxies[0]?.client) sample.push(copy(response));
      onResponse();
    },
  });
  client.recording = false;
  proxies.push({ namespace, client });
  return client;
}

/** It holds all that it asked for, and asked for all that it needs. */
function isInSync(client: AdsClient): boolean {
  const { cluster, endpoint, listener, route } = typeUrls;
  if (client.of(cluster).resources.size === 0 || client.of(listener).resources.size === 0) return false;
  return [endpoint, route].every((typeUrl) => client.of(typeUrl).names.size === client.of(typeUrl).resources.size);
}

function copy({ typeUrl, resources, removed }: ClientResponse): SentResponse {
  return { typeUrl, removed, resources: [...resources].map(([name, { version, value }]) => ({ name, version, value })) };
}

function within<T>(limitMs: number, awaited: Promise<T>, problem: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`${problem} within ${limitMs} ms`)), limitMs);
  return Promise.race([awaited, late.promise]).finally(() => clearTimeout(timer));
}

/** Many proxies hold the same bytes: each content is read once, so that the clients do not become the bottleneck. */
const rememberingReader: ResourceReader = (() => {
  type References = ReturnType<ResourceReader['referencesOf']>;
  const byBytes = new WeakMap<Uint8Array, References>();
  const byContent = new Map<string, References>();
  return {
    nameOf: envoyReader.nameOf,
    referencesOf(typeUrl, value) {
      if (typeUrl !== typeUrls.cluster && typeUrl !== typeUrls.listener) return [];
      let references = byBytes.get(value);
      if (!references) {
        const content = Buffer.from(value).toString('latin1');
        references = byContent.get(content) ?? envoyReader.referencesOf(typeUrl, value);
        byContent.set(content, references);
        byBytes.set(value, references);
      }
      return references;
    },
  };
})();

serve(operations);
