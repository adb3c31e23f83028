import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { type ChannelCredentials, Client, type ClientDuplexStream, credentials, type StatusObject } from '@grpc/grpc-js';
import type { NodeSchema } from '../../envoy/gen/envoy/config/core/v3/base_pb.js';
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from '../../envoy/gen/envoy/service/discovery/v3/discovery_pb.js';
import { typeUrls } from '../../envoy/resource.ts';
import { adsPaths } from '../ads-service.ts';
import type { Variant } from '../wire/encode-response.ts';
import { type ClientResponse, type HeldResource, HeldType } from './client-state.ts';
import { envoyReader, type ResourceReader } from './resource-reader.ts';

/** What a client answers to a response: take it, refuse it with a message, or say nothing. */
export type Verdict = 'ack' | 'hold' | { readonly nack: string };

export interface AdsClientOptions {
  /** `host:port`, IPv6 in brackets. */
  readonly address: string;
  readonly variant: Variant;
  readonly node: MessageInitShape<typeof NodeSchema>;
  /** Default: plaintext, and no token. */
  readonly credentials?: ChannelCredentials;
  /** Default: acknowledges everything. A refused response is not applied. */
  readonly judge?: (response: ClientResponse) => Verdict;
  /** Subscribe to the endpoints and routes that clusters and listeners refer to, as Envoy does. Default false. */
  readonly follow?: boolean;
  /** Default {@link envoyReader}. */
  readonly reader?: ResourceReader;
  /** Whose state to go on with, as a proxy does that lost its stream. */
  readonly resume?: AdsClient;
  /** Called behind each response, after it was judged. */
  readonly onResponse?: (response: ClientResponse) => void;
}

const raw = (message: Buffer) => message;

/** A proxy's side of ADS over a real connection, of either variant, for tests and benchmarks. Keeps what it is given. */
export class AdsClient {
  readonly held: ReadonlyMap<string, HeldType>;
  readonly responses: ClientResponse[] = [];
  /** Resolves with the status that ended the stream. */
  readonly ended: Promise<StatusObject>;
  /** Keep {@link responses}; a benchmark turns it off. Default true. */
  recording = true;
  readonly #options: AdsClientOptions;
  #judge: NonNullable<AdsClientOptions['judge']>;
  readonly #reader: ResourceReader;
  readonly #client: Client;
  readonly #stream: ClientDuplexStream<Buffer, Buffer>;
  readonly #nonces = new Map<string, string>();
  readonly #requested = new Set<string>();
  #firstRequest = true;

  constructor(options: AdsClientOptions) {
    this.#options = options;
    this.#judge = options.judge ?? (() => 'ack');
    this.#reader = options.reader ?? envoyReader;
    this.held = options.resume?.held ?? new Map(Object.values(typeUrls).map((typeUrl) => [typeUrl, new HeldType(typeUrl)]));
    this.#client = new Client(options.address, options.credentials ?? credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': -1,
    });
    this.#stream = this.#client.makeBidiStreamRequest(adsPaths[options.variant], raw, raw);
    this.#stream.on('data', (bytes: Buffer) => this.#receive(bytes));
    this.#stream.on('error', () => {});
    this.ended = new Promise((resolve) => this.#stream.on('status', resolve));
    if (options.resume) this.#resubscribe();
  }

  /** Judges responses by something else from now on. */
  judgeBy(judge: NonNullable<AdsClientOptions['judge']>): void {
    this.#judge = judge;
  }

  /** What the client holds of a type. */
  of(typeUrl: string): HeldType {
    return this.held.get(typeUrl)!;
  }

  /** Subscribes to everything of a type, without naming it, as Envoy does for clusters and listeners. */
  subscribeAll(typeUrl: string): void {
    this.of(typeUrl).wildcard = true;
    this.#request(typeUrl, { subscribe: this.#legacyWildcard(typeUrl) ? [] : ['*'] });
  }

  subscribe(typeUrl: string, ...names: string[]): void {
    for (const name of names) this.of(typeUrl).names.add(name);
    this.#request(typeUrl, { subscribe: names });
  }

  /** Drops names, and what is held under them. */
  unsubscribe(typeUrl: string, ...names: string[]): void {
    const held = this.of(typeUrl);
    for (const name of names) {
      held.names.delete(name);
      if (!held.wildcard) held.resources.delete(name);
    }
    this.#request(typeUrl, { unsubscribe: names });
  }

  /** Acknowledges or refuses a response that was held back. */
  answer(response: ClientResponse, verdict: Verdict): void {
    this.#settle(response, verdict);
  }

  /** Stops reading: what the server sends piles up on its side. */
  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** Sends these bytes as they are. */
  sendRaw(bytes: Uint8Array): void {
    this.#stream.write(Buffer.from(bytes));
  }

  /** Sends a request of the client's variant made by hand. */
  sendRequest(
    init: MessageInitShape<typeof DiscoveryRequestSchema> & MessageInitShape<typeof DeltaDiscoveryRequestSchema>,
  ): void {
    const { $typeName: _, ...fields } = init;
    const { variant } = this.#options;
    this.sendRaw(
      variant === 'delta'
        ? toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, fields))
        : toBinary(DiscoveryRequestSchema, create(DiscoveryRequestSchema, fields)),
    );
  }

  /** Ends the stream and the connection. */
  close(): void {
    this.#stream.cancel();
    this.#client.close();
  }

  #resubscribe(): void {
    for (const { typeUrl, wildcard, names } of this.held.values()) {
      if (!wildcard && names.size === 0) continue;
      this.#request(typeUrl, { subscribe: [...(wildcard && names.size > 0 ? ['*'] : []), ...names] });
    }
  }

  #legacyWildcard(typeUrl: string): boolean {
    return this.of(typeUrl).names.size === 0 && (typeUrl === typeUrls.cluster || typeUrl === typeUrls.listener);
  }

  #request(
    typeUrl: string,
    change: { subscribe?: readonly string[]; unsubscribe?: readonly string[]; nonce?: string; error?: string },
  ): void {
    const held = this.of(typeUrl);
    const first = !this.#requested.has(typeUrl);
    this.#requested.add(typeUrl);
    const errorDetail = change.error === undefined ? undefined : { code: 13, message: change.error };
    const node = this.#firstRequest ? this.#options.node : undefined;
    this.#firstRequest = false;
    if (this.#options.variant === 'delta') {
      this.sendRequest({
        typeUrl,
        node,
        errorDetail,
        responseNonce: change.nonce ?? '',
        resourceNamesSubscribe: [...(change.subscribe ?? [])],
        resourceNamesUnsubscribe: [...(change.unsubscribe ?? [])],
        initialResourceVersions: first ? versionsOf(held.resources) : {},
      });
      return;
    }
    const resourceNames = [...(held.wildcard && !this.#legacyWildcard(typeUrl) ? ['*'] : []), ...held.names];
    this.sendRequest({
      typeUrl,
      node,
      errorDetail,
      resourceNames,
      responseNonce: change.nonce ?? this.#nonces.get(typeUrl) ?? '',
    });
  }

  #receive(bytes: Buffer): void {
    const response = this.#options.variant === 'delta' ? decodeDelta(bytes) : this.#decodeSotw(bytes);
    this.#nonces.set(response.typeUrl, response.nonce);
    if (this.recording) this.responses.push(response);
    const verdict = this.#judge(response);
    if (verdict !== 'hold') this.#settle(response, verdict);
    this.#options.onResponse?.(response);
  }

  #settle(response: ClientResponse, verdict: Verdict): void {
    const { typeUrl, nonce } = response;
    if (verdict === 'hold') return;
    if (verdict !== 'ack') {
      this.#request(typeUrl, { nonce, error: verdict.nack });
      return;
    }
    this.of(typeUrl).apply(this.#options.variant, response);
    if (this.#options.follow && (typeUrl === typeUrls.cluster || typeUrl === typeUrls.listener)) this.#follow();
    this.#request(typeUrl, { nonce });
  }

  /** Subscribes as Envoy does: before it acknowledges what made it want more. */
  #follow(): void {
    const wanted = new Map<string, Set<string>>();
    for (const { typeUrl, resources } of this.held.values()) {
      for (const { value } of resources.values()) {
        for (const reference of this.#reader.referencesOf(typeUrl, value)) {
          const names = wanted.get(reference.typeUrl) ?? new Set();
          wanted.set(reference.typeUrl, names.add(reference.name));
        }
      }
    }
    for (const { typeUrl, names } of this.held.values()) {
      if (this.of(typeUrl).wildcard) continue;
      const needed = wanted.get(typeUrl) ?? new Set<string>();
      const gone = [...names].filter((name) => !needed.has(name));
      const fresh = [...needed].filter((name) => !names.has(name));
      if (gone.length > 0) this.unsubscribe(typeUrl, ...gone);
      if (fresh.length > 0) this.subscribe(typeUrl, ...fresh);
    }
  }

  #decodeSotw(bytes: Buffer): ClientResponse {
    const { typeUrl, nonce, versionInfo: version, resources } = fromBinary(DiscoveryResponseSchema, bytes);
    const entries = resources.map(({ value }): [string, HeldResource] => [
      this.#reader.nameOf(typeUrl, value),
      { version, value },
    ]);
    return { typeUrl, nonce, version, resources: new Map(entries), removed: [] };
  }
}

function decodeDelta(bytes: Buffer): ClientResponse {
  const message = fromBinary(DeltaDiscoveryResponseSchema, bytes);
  const { typeUrl, nonce, systemVersionInfo, resources, removedResources: removed } = message;
  const entries = resources.map(({ name, version, resource }): [string, HeldResource] => [
    name,
    { version, value: resource!.value },
  ]);
  return { typeUrl, nonce, version: systemVersionInfo, resources: new Map(entries), removed };
}

function versionsOf(resources: ReadonlyMap<string, HeldResource>): Record<string, string> {
  return Object.fromEntries([...resources].map(([name, { version }]) => [name, version]));
}
