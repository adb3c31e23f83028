import { fromBinary } from '@bufbuild/protobuf';
import { Registry } from 'prom-client';
import {
  DeltaDiscoveryResponseSchema,
  DiscoveryResponseSchema,
} from '../../envoy/gen/envoy/service/discovery/v3/discovery_pb.js';
import { pushOrder, type TypeUrl, typeUrls } from '../../envoy/resource.ts';
import type { ProxyNode } from '../../mesh/proxy.ts';
import { silentLogger } from '../../runtime/logger.ts';
import { FakeClock } from '../../runtime/testing/fake-clock.ts';
import { Ledger } from '../ledger.ts';
import { createXdsMetrics } from '../metrics.ts';
import { defaultXdsOptions, type XdsOptions } from '../options.ts';
import { PushQueue } from '../push-queue.ts';
import { ProxySession } from '../session/proxy-session.ts';
import { SessionRegistry } from '../session-registry.ts';
import type { DiscoveryRequest, SubscriptionUpdate } from '../wire/decode-request.ts';
import type { Variant } from '../wire/encode-response.ts';
import { type ClientResponse, type HeldResource, HeldType } from './client-state.ts';
import { FakeClasses, readFake } from './fake-classes.ts';

/** A node for tests. */
export function fakeNode(name: string, namespace = 'shop'): ProxyNode {
  return {
    id: `sidecar~10.0.0.1~${name}.${namespace}~${namespace}.svc.cluster.local`,
    type: 'sidecar',
    name,
    namespace,
    ipAddresses: ['10.0.0.1'],
    ipFamilies: 'ipv4',
    labels: {},
    dnsDomain: `${namespace}.svc.cluster.local`,
    interceptionMode: 'REDIRECT',
    clusterId: 'Kubernetes',
    serviceAccount: '',
    metadata: {},
  };
}

/** Everything of the xDS server but gRPC, on a fake clock and with turns taken by hand. */
export class SessionHarness {
  readonly clock = new FakeClock();
  readonly classes = new FakeClasses();
  readonly sessions = new SessionRegistry();
  readonly metrics = createXdsMetrics(new Registry());
  readonly ledger: Ledger;
  readonly queue: PushQueue;
  readonly failures: unknown[] = [];
  readonly #options: XdsOptions;
  #turns: (() => void)[] = [];

  constructor(options: Partial<XdsOptions> = {}) {
    this.#options = { ...defaultXdsOptions, ...options };
    this.ledger = new Ledger(this.classes, this.sessions, this.clock);
    this.queue = new PushQueue({
      classes: this.classes,
      registry: this.sessions,
      clock: this.clock,
      logger: silentLogger,
      metrics: this.metrics,
      options: this.#options,
      nextTurn: (callback) => this.#turns.push(callback),
      decide: () => {},
      refreshed: (refresh) => this.ledger.refreshed(refresh),
      failed: (_session, error) => this.failures.push(error),
    });
  }

  /** Lets every turn that was asked for come, and those that they ask for. */
  turn(): void {
    for (let turns = this.#turns; turns.length > 0; turns = this.#turns) {
      this.#turns = [];
      for (const each of turns) each();
    }
  }

  /** Lets one turn come. */
  oneTurn(): void {
    this.#turns.shift()?.();
  }

  connect(variant: Variant, name = 'proxy', resume?: ModelClient): ModelClient {
    const node = fakeNode(name);
    const client: ModelClient = new ModelClient(variant, resume);
    const session = new ProxySession({
      node,
      variant,
      proxyClass: this.classes.join(node),
      clock: this.clock,
      metrics: this.metrics,
      options: this.#options,
      observer: {
        progressed: (session, before, objects) => this.ledger.progressed(session, before, objects),
        refused: (session) => this.ledger.refused(session),
      },
      send: (message) => client.take(message),
      fail: (error) => this.failures.push(error),
    });
    client.session = session;
    this.sessions.add(session);
    this.ledger.membershipChanged();
    return client;
  }

  disconnect({ session }: ModelClient): void {
    session.close();
    this.queue.forget(session);
    this.sessions.remove(session);
    this.ledger.membershipChanged();
    this.classes.leave(session.proxyClass, session.node);
  }
}

/** A proxy in memory: what it is sent waits in {@link inbox} until it is told to answer. Follows references as Envoy does. */
export class ModelClient {
  session!: ProxySession;
  readonly variant: Variant;
  readonly held: ReadonlyMap<string, HeldType>;
  /** Responses not answered yet, oldest first. */
  readonly inbox: ClientResponse[] = [];
  /** Every response, as `short type: names -removed`. */
  readonly journal: string[] = [];
  /** False: writes report that the stream is full. */
  writable = true;
  readonly #nonces = new Map<string, string>();
  readonly #requested = new Set<string>();

  constructor(variant: Variant, resume?: ModelClient) {
    this.variant = variant;
    this.held = resume?.held ?? new Map(pushOrder.map((typeUrl) => [typeUrl, new HeldType(typeUrl)]));
  }

  of(typeUrl: TypeUrl): HeldType {
    return this.held.get(typeUrl)!;
  }

  /** Body by name of what is held of a type. */
  bodies(typeUrl: TypeUrl): Record<string, string> {
    const entries = [...this.of(typeUrl).resources].map(([name, { value }]) => [name, readFake(value).body]);
    return Object.fromEntries(entries.sort());
  }

  /** Clusters and listeners by wildcard, the rest by following: what a starting Envoy does. */
  start(): void {
    for (const typeUrl of pushOrder) {
      if (typeUrl === typeUrls.cluster || typeUrl === typeUrls.listener) this.subscribeAll(typeUrl);
      else if (this.of(typeUrl).names.size > 0) this.request(typeUrl, [...this.of(typeUrl).names]);
    }
  }

  subscribeAll(typeUrl: TypeUrl): void {
    this.of(typeUrl).wildcard = true;
    this.request(typeUrl, []);
  }

  subscribe(typeUrl: TypeUrl, ...names: string[]): void {
    for (const name of names) this.of(typeUrl).names.add(name);
    this.request(typeUrl, names);
  }

  unsubscribe(typeUrl: TypeUrl, ...names: string[]): void {
    for (const name of names) {
      this.of(typeUrl).names.delete(name);
      this.of(typeUrl).resources.delete(name);
    }
    this.request(typeUrl, [], names);
  }

  request(typeUrl: TypeUrl, subscribe: string[], unsubscribe: string[] = [], nonce?: string, error?: string): void {
    const held = this.of(typeUrl);
    const delta = this.variant === 'delta';
    const first = !this.#requested.has(typeUrl);
    this.#requested.add(typeUrl);
    const update: SubscriptionUpdate = delta
      ? { kind: 'patch', subscribe, unsubscribe }
      : { kind: 'replace', names: held.wildcard ? [] : [...held.names] };
    const versions = delta && first ? [...held.resources].map(([name, { version }]): [string, string] => [name, version]) : [];
    const request: DiscoveryRequest = {
      typeUrl,
      nonce: nonce ?? (delta ? '' : (this.#nonces.get(typeUrl) ?? '')),
      error: error === undefined ? undefined : { code: 13, message: error },
      update,
      initialVersions: new Map(versions),
    };
    this.session.receive(request);
  }

  take(message: Buffer): boolean {
    const response = this.#decode(message);
    this.inbox.push(response);
    const type = response.typeUrl.split('.').at(-1);
    const names = [...response.resources.keys()].sort().join(',');
    this.journal.push(`${type}: ${names}${response.removed.length > 0 ? ` -${[...response.removed].sort().join(',')}` : ''}`);
    return this.writable;
  }

  /** Answers the oldest response; `error`: refuses it. Before it, asks for what the response made it want. */
  answer(error?: string): void {
    const response = this.inbox.shift();
    if (!response) return;
    const typeUrl = response.typeUrl as TypeUrl;
    this.#nonces.set(typeUrl, response.nonce);
    if (error === undefined) {
      this.of(typeUrl).apply(this.variant, response);
      if (typeUrl === typeUrls.cluster || typeUrl === typeUrls.listener) this.#follow();
    }
    this.request(typeUrl, [], [], response.nonce, error);
  }

  /** Answers until nothing comes any more. */
  answerAll(): void {
    while (this.inbox.length > 0) this.answer();
  }

  /** The journal since the last call. */
  read(): string[] {
    return this.journal.splice(0);
  }

  #follow(): void {
    for (const [parent, child] of [
      [typeUrls.cluster, typeUrls.endpoint],
      [typeUrls.listener, typeUrls.route],
      [typeUrls.listener, typeUrls.extensionConfig],
    ] as const) {
      if (this.of(child).wildcard) continue;
      const wanted = new Set<string>();
      for (const { value } of this.of(parent).resources.values())
        for (const { typeUrl, name } of readFake(value).requires) if (typeUrl === child) wanted.add(name);
      const { names } = this.of(child);
      const gone = [...names].filter((name) => !wanted.has(name));
      const fresh = [...wanted].filter((name) => !names.has(name));
      if (gone.length > 0) this.unsubscribe(child, ...gone);
      if (fresh.length > 0) this.subscribe(child, ...fresh);
    }
  }

  #decode(message: Buffer): ClientResponse {
    if (this.variant === 'sotw') {
      const { typeUrl, nonce, versionInfo: version, resources } = fromBinary(DiscoveryResponseSchema, message);
      const entries = resources.map(({ value }): [string, HeldResource] => [readFake(value).name, { version, value }]);
      return { typeUrl, nonce, version, resources: new Map(entries), removed: [] };
    }
    const {
      typeUrl,
      nonce,
      systemVersionInfo: version,
      resources,
      removedResources,
    } = fromBinary(DeltaDiscoveryResponseSchema, message);
    const entries = resources.map((each): [string, HeldResource] => [
      each.name,
      { version: each.version, value: each.resource!.value },
    ]);
    return { typeUrl, nonce, version, resources: new Map(entries), removed: removedResources };
  }
}
