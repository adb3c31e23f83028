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
import type { ProxyClasses } from '../proxy-class.ts';
import { PushQueue } from '../push-queue.ts';
import type { EnvoyFilterRollout } from '../rollout/envoy-filter-rollout.ts';
import { ProxySession } from '../session/proxy-session.ts';
import { SessionRegistry } from '../session-registry.ts';
import type { DiscoveryRequest, SubscriptionUpdate } from '../wire/decode-request.ts';
import type { Variant } from '../wire/encode-response.ts';
import { type ClientResponse, type HeldResource, HeldType } from './client-state.ts';
import { FakeClasses, fakeReader, readFake } from './fake-classes.ts';
import type { ResourceReader } from './resource-reader.ts';

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

/** What a harness is made of, where it is not what tests fill by hand. */
export interface HarnessParts<C extends ProxyClasses> {
  readonly classes: C;
  /** Default: everybody gets every generation at once. */
  readonly rollout?: EnvoyFilterRollout;
  readonly clock: FakeClock;
  /** What proxies read out of resources. */
  readonly reader: ResourceReader;
}

/** Everything of the xDS server but gRPC, on a fake clock and with turns taken by hand. */
export class SessionHarness<C extends ProxyClasses = FakeClasses> {
  readonly clock: FakeClock;
  readonly classes: C;
  readonly sessions = new SessionRegistry();
  readonly metrics = createXdsMetrics(new Registry());
  readonly ledger: Ledger;
  readonly queue: PushQueue;
  readonly failures: unknown[] = [];
  readonly #options: XdsOptions;
  readonly #rollout: EnvoyFilterRollout | undefined;
  readonly #reader: ResourceReader;
  #turns: (() => void)[] = [];

  constructor(options: Partial<XdsOptions> = {}, parts?: HarnessParts<C>) {
    this.#options = { ...defaultXdsOptions, ...options };
    const { clock, classes, rollout, reader } = parts ?? fakeParts<C>();
    this.clock = clock;
    this.classes = classes;
    this.#rollout = rollout;
    this.#reader = reader;
    this.ledger = new Ledger(classes, this.sessions, clock, rollout);
    rollout?.attach({
      groups: () => this.sessions.groups(),
      wouldChange: ({ proxyClass, node }) => classes.wouldChange(proxyClass, node),
    });
    this.queue = new PushQueue({
      classes: this.classes,
      registry: this.sessions,
      clock: this.clock,
      logger: silentLogger,
      metrics: this.metrics,
      options: this.#options,
      nextTurn: (callback) => this.#turns.push(callback),
      decide: () => rollout?.decide(),
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

  /** @param proxy a name stands for a {@link fakeNode} */
  connect(variant: Variant, proxy: string | ProxyNode = 'proxy', resume?: ModelClient): ModelClient {
    const node = typeof proxy === 'string' ? fakeNode(proxy) : proxy;
    const client: ModelClient = new ModelClient(variant, resume, this.#reader);
    const session = new ProxySession({
      node,
      variant,
      proxyClass: this.classes.join(node),
      clock: this.clock,
      metrics: this.metrics,
      options: this.#options,
      observer: {
        progressed: (session, before, objects) => {
          this.ledger.progressed(session, before, objects);
          this.#rollout?.progressed(session);
        },
        refused: (session, _typeUrl, message, resources) => {
          this.ledger.refused(session);
          this.#rollout?.refused(session, resources, message);
        },
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
    this.#rollout?.closed(session);
    this.sessions.remove(session);
    this.ledger.membershipChanged();
    this.classes.leave(session.proxyClass, session.node);
  }
}

function fakeParts<C extends ProxyClasses>(): HarnessParts<C> {
  // Who names no parts means classes that are filled by hand, which is what the type says then.
  return { clock: new FakeClock(), classes: new FakeClasses() as unknown as C, reader: fakeReader };
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
  readonly #reader: ResourceReader;
  readonly #nonces = new Map<string, string>();
  readonly #requested = new Set<string>();

  constructor(variant: Variant, resume?: ModelClient, reader: ResourceReader = fakeReader) {
    this.variant = variant;
    this.#reader = reader;
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
        for (const { typeUrl, name } of this.#reader.referencesOf(parent, value)) if (typeUrl === child) wanted.add(name);
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
      const entries = resources.map(({ value }): [string, HeldResource] => [
        this.#reader.nameOf(typeUrl, value),
        { version, value },
      ]);
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
