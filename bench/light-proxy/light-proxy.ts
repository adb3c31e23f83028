import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { NodeSchema } from '../../src/envoy/gen/envoy/config/core/v3/base_pb.js';
import { DeltaDiscoveryRequestSchema } from '../../src/envoy/gen/envoy/service/discovery/v3/discovery_pb.js';
import { type ResourceReference, typeUrls } from '../../src/envoy/resource.ts';
import { adsPaths } from '../../src/xds/ads-service.ts';
import { envoyReader } from '../../src/xds/testing/resource-reader.ts';
import { stringField } from '../../src/xds/wire/frame.ts';
import { MessageReader, withPrefix } from './grpc-messages.ts';
import { type LightResponse, readResponse } from './read-response.ts';

/** As large as Envoy's own. */
const windowBytes = 16 * 1024 * 1024;

export interface LightProxyOptions {
  /** `host:port`. */
  readonly address: string;
  readonly node: MessageInitShape<typeof NodeSchema>;
  /** Called when a response has been acknowledged. */
  onResponse(response: LightResponse): void;
  /** The stream has ended. */
  onEnd(reason: string): void;
}

/**
 * A delta proxy that costs little, so that load clients leave the machine to the server: HTTP/2 without a gRPC library, responses read
 * only as far as names and versions, and what a resource refers to read once for all proxies that hold the same version. It subscribes
 * as Envoy does, before it acknowledges what made it want more.
 */
export class LightProxy {
  readonly #options: LightProxyOptions;
  readonly #session: ClientHttp2Session;
  readonly #stream: ClientHttp2Stream;
  /** By type and name, what the held resource refers to. */
  readonly #held = new Map<string, Map<string, readonly ResourceReference[]>>();
  /** By type, how many held resources refer to a name. */
  readonly #wanted = new Map<string, Map<string, number>>();

  constructor(options: LightProxyOptions) {
    this.#options = options;
    this.#session = connect(`http://${options.address}`, { settings: { initialWindowSize: windowBytes } });
    this.#session.on('connect', () => this.#session.setLocalWindowSize(windowBytes));
    this.#session.on('error', (error) => options.onEnd(error.message));
    this.#stream = this.#session.request({
      ':method': 'POST',
      ':path': adsPaths.delta,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const reader = new MessageReader((message) => this.#receive(message));
    this.#stream.on('data', (chunk: Buffer) => reader.push(chunk));
    this.#stream.on('trailers', (trailers) => options.onEnd(`${trailers['grpc-status']}: ${trailers['grpc-message'] ?? ''}`));
    this.#stream.on('error', (error) => options.onEnd(error.message));
  }

  /** Subscribes to all clusters and listeners. */
  start(): void {
    this.#request({ typeUrl: typeUrls.cluster, node: this.#options.node });
    this.#request({ typeUrl: typeUrls.listener });
  }

  /** Sends a first request by hand, and only acknowledges what comes. */
  startBare(): void {
    this.#request({ typeUrl: typeUrls.cluster });
  }

  /** It holds all that it asked for, and asked for all that it needs. */
  get isInSync(): boolean {
    const sizeOf = (typeUrl: string) => this.#held.get(typeUrl)?.size ?? 0;
    if (sizeOf(typeUrls.cluster) === 0 || sizeOf(typeUrls.listener) === 0) return false;
    return this.#wanted.entries().every(([typeUrl, names]) => names.size === sizeOf(typeUrl));
  }

  #receive(message: Buffer): void {
    const response = readResponse(message);
    const { typeUrl } = response;
    const held = mapIn(this.#held, typeUrl);
    const before = new Map<string, Set<string>>();
    for (const { name, version, value } of response.resources.values()) {
      this.#refer(held.get(name) ?? none, -1, before);
      const references = referencesOf(typeUrl, name, version, value);
      this.#refer(references, 1, before);
      held.set(name, references);
    }
    for (const name of response.removed) {
      this.#refer(held.get(name) ?? none, -1, before);
      held.delete(name);
    }
    for (const [child, names] of before) this.#resubscribe(child, names);
    this.#write(Buffer.concat([stringField(2, typeUrl), stringField(6, response.nonce)]));
    this.#options.onResponse(response);
  }

  /** Counts references; `touched`: by type, names whose count has moved from or to nothing, or back. */
  #refer(references: readonly ResourceReference[], by: 1 | -1, touched: Map<string, Set<string>>): void {
    for (const { typeUrl, name } of references) {
      const wanted = mapIn(this.#wanted, typeUrl);
      const count = (wanted.get(name) ?? 0) + by;
      if (count > 0) wanted.set(name, count);
      else wanted.delete(name);
      if (count > 1 || (count === 1 && by < 0)) continue;
      const names = touched.get(typeUrl);
      // Twice touched: as it was.
      if (!names) touched.set(typeUrl, new Set([name]));
      else if (!names.delete(name)) names.add(name);
    }
  }

  #resubscribe(typeUrl: string, touched: ReadonlySet<string>): void {
    const wanted = this.#wanted.get(typeUrl);
    const subscribe = [...touched].filter((name) => wanted?.has(name));
    const unsubscribe = [...touched].filter((name) => !wanted?.has(name));
    if (subscribe.length === 0 && unsubscribe.length === 0) return;
    for (const name of unsubscribe) this.#held.get(typeUrl)?.delete(name);
    this.#request({ typeUrl, resourceNamesSubscribe: subscribe, resourceNamesUnsubscribe: unsubscribe });
  }

  #request(fields: MessageInitShape<typeof DeltaDiscoveryRequestSchema>): void {
    this.#write(toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, fields)));
  }

  #write(message: Uint8Array): void {
    this.#stream.write(withPrefix(message));
  }
}

const none: readonly ResourceReference[] = [];

/** By type, name and version, for all proxies of the process: a version is a hash of the bytes. */
const known = new Map<string, readonly ResourceReference[]>();

function referencesOf(typeUrl: string, name: string, version: string, value: Uint8Array): readonly ResourceReference[] {
  if (typeUrl !== typeUrls.cluster && typeUrl !== typeUrls.listener) return none;
  const key = `${typeUrl} ${name} ${version}`;
  let references = known.get(key);
  if (!references) {
    // A listener may refer to a route more than once.
    const read = envoyReader.referencesOf(typeUrl, value);
    references = [...new Map(read.map((each) => [`${each.typeUrl} ${each.name}`, each])).values()];
    known.set(key, references);
  }
  return references;
}

function mapIn<K, V>(maps: Map<string, Map<K, V>>, key: string): Map<K, V> {
  let found = maps.get(key);
  if (!found) {
    found = new Map();
    maps.set(key, found);
  }
  return found;
}
