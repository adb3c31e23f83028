import { pushOrder, type Resource, type TypeUrl, typeUrls } from '../../envoy/resource.ts';
import type { ObjectKey } from '../../mesh/object-key.ts';
import type { ProxyNode } from '../../mesh/proxy.ts';
import type { Clock } from '../../runtime/clock.ts';
import { metricType, type XdsMetrics } from '../metrics.ts';
import type { ProxyClass } from '../proxy-class.ts';
import type { TableComparison } from '../resource-table.ts';
import type { DiscoveryRequest } from '../wire/decode-request.ts';
import { encodeResponse, type Variant } from '../wire/encode-response.ts';
import { openings, type TypeStates } from './gates.ts';
import { type Answer, TypeState, type TypeStateOptions } from './type-state.ts';

export interface SessionOptions extends TypeStateOptions {
  /** How long a type waits for the acknowledgement of those before it, milliseconds. */
  readonly gateTimeoutMs: number;
  /** Told to proxies as this control plane's name. */
  readonly identifier: string;
}

/** What a session tells those who count. */
export interface SessionObserver {
  /**
   * The proxy's standing has moved: for objects whose requirement rose above `acknowledgedBefore`, and for `objects`.
   * Undefined: no revision moved.
   */
  progressed(session: ProxySession, acknowledgedBefore: number | undefined, objects: readonly ObjectKey[]): void;
  /** The proxy refused resources. */
  refused(session: ProxySession, typeUrl: TypeUrl, message: string, resources: readonly Resource[]): void;
}

export interface SessionInit {
  readonly node: ProxyNode;
  readonly variant: Variant;
  readonly proxyClass: ProxyClass;
  readonly clock: Clock;
  readonly metrics: XdsMetrics;
  readonly options: SessionOptions;
  readonly observer: SessionObserver;
  /** Writes one message; false: wait for {@link ProxySession.drained} before the next. */
  send(message: Buffer): boolean;
  /** Something failed outside a request, on a timer: end the stream. */
  fail(error: unknown): void;
}

/** Removals of clusters and endpoints may have become possible by what was served before them. */
const walk: readonly TypeUrl[] = [...pushOrder, typeUrls.cluster, typeUrls.endpoint];

/** One proxy's stream: what it is subscribed to, what it has got, what it may get next. Knows nothing of gRPC. */
export class ProxySession {
  readonly node: ProxyNode;
  readonly variant: Variant;
  readonly types: TypeStates;
  /** Milliseconds since the epoch. */
  readonly connectedAt: number;
  /** When what is not yet acknowledged began to wait (milliseconds since the epoch); undefined: the proxy is up to date. */
  unsettledSince: number | undefined;

  readonly #init: SessionInit;
  #proxyClass: ProxyClass;
  #blocked = false;
  #closed = false;
  #resumed = false;
  #lastNonce = 0;
  #wroteSinceSettled = false;
  readonly #gatedSinceMs = { changes: new Map<TypeUrl, number>(), removals: new Map<TypeUrl, number>() };
  #cancelGateTimer: (() => void) | undefined;

  constructor(init: SessionInit) {
    this.#init = init;
    this.node = init.node;
    this.variant = init.variant;
    this.#proxyClass = init.proxyClass;
    this.connectedAt = init.clock.now();
    this.unsettledSince = this.connectedAt;
    const entries = pushOrder.map((typeUrl) => [typeUrl, new TypeState(typeUrl, init.variant, init.proxyClass, init.options)]);
    this.types = Object.fromEntries(entries) as TypeStates;
  }

  get proxyClass(): ProxyClass {
    return this.#proxyClass;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The proxy has asked for clusters and listeners and acknowledged all that it asked for. */
  get settled(): boolean {
    const { subscription } = this.types[typeUrls.cluster];
    if (!subscription.active || !this.types[typeUrls.listener].subscription.active) return false;
    return pushOrder.every((typeUrl) => {
      const state = this.types[typeUrl];
      return state.awaited.size === 0 && (!state.subscription.active || state.settled);
    });
  }

  /** Takes a request of one of {@link pushOrder}'s types, and answers what it asks for. */
  receive(request: DiscoveryRequest): void {
    const state = this.types[request.typeUrl as TypeUrl];
    const { requested } = state.subscription;
    // A first request may carry the nonce of an earlier stream; it means nothing here.
    const standing = request.nonce === '' || !requested ? 'none' : this.#judgeNonce(state, request.nonce);
    if (standing === 'current') this.#settleOutstanding(state, request);
    if (standing === 'foreign') {
      const issued = Number(request.nonce) <= this.#lastNonce;
      this.#init.metrics[issued ? 'expiredNonces' : 'inventedNonces'].inc({ type: metricType(request.typeUrl) });
      // A later request of the client will carry its names along with the newest nonce (xDS protocol, "Resource updates").
      if (this.variant === 'sotw') return;
    }
    if (request.initialVersions.size > 0) this.#resumed = true;
    state.subscribe(request.update, request.initialVersions);
    this.step();
  }

  /** Writes what may be written now. Called after a push, a request, a drain, a gate's timeout. */
  step(): void {
    if (this.#closed) return;
    for (const typeUrl of walk) {
      if (this.#blocked) break;
      this.#serve(this.types[typeUrl]);
    }
    for (const typeUrl of pushOrder) this.#settle(this.types[typeUrl]);
    for (const typeUrl of pushOrder) {
      const moved = this.types[typeUrl].takeMoved();
      if (moved.length > 0) this.#init.observer.progressed(this, undefined, this.#withSidecar(typeUrl, moved));
    }
    this.#noteProgress();
  }

  /** The stream takes messages again. */
  drained(): void {
    this.#blocked = false;
    this.step();
  }

  /** The class has changed at `at` (milliseconds since the epoch): the proxy counts as behind until it has been stepped. */
  touch(at: number): void {
    this.unsettledSince ??= at;
  }

  /** Puts the proxy into another class. `compare`: how the two classes' tables of a type differ. */
  rebase(to: ProxyClass, compare: (typeUrl: TypeUrl) => TableComparison): void {
    for (const typeUrl of pushOrder) this.types[typeUrl].rebase(to, compare(typeUrl));
    this.#proxyClass = to;
  }

  /** The stream is over. */
  close(): void {
    this.#closed = true;
    this.#cancelGateTimer?.();
  }

  #judgeNonce(state: TypeState, nonce: string): 'current' | 'repeated' | 'foreign' {
    if (state.outstanding) return state.outstanding.nonce === nonce ? 'current' : 'foreign';
    // State of the world repeats the newest nonce whenever a client's names change.
    return state.lastNonce === nonce ? 'repeated' : 'foreign';
  }

  #settleOutstanding(state: TypeState, request: DiscoveryRequest): void {
    const before = state.ackedRevision;
    if (!request.error) {
      const { objects } = state.ack();
      this.#init.observer.progressed(this, before, this.#withSidecar(state.typeUrl, objects));
      return;
    }
    this.#init.metrics.rejects.inc({ type: metricType(state.typeUrl) });
    const { objects, rejected } = state.nack(request.error.message, this.#init.clock.now());
    for (const resource of rejected) this.#needNoMore(resource);
    this.#init.observer.refused(this, state.typeUrl, request.error.message, rejected);
    this.#init.observer.progressed(this, before, this.#withSidecar(state.typeUrl, objects));
  }

  /** A Sidecar waits for what it shaped, of which nothing says that it derives from it; endpoints are not among it. */
  #withSidecar(typeUrl: TypeUrl, objects: readonly ObjectKey[]): readonly ObjectKey[] {
    const { sidecarKey } = this.#proxyClass;
    return sidecarKey === undefined || typeUrl === typeUrls.endpoint ? objects : [...objects, sidecarKey];
  }

  #serve(state: TypeState): void {
    if (!state.subscription.active || state.outstanding) return;
    if (state.idle) return;
    const started = this.#init.clock.monotonicMs();
    const open = openings(state.typeUrl, this.types, this.#resumed);
    const answer = state.take({
      changes: this.#passes(state, 'changes', open.changes),
      removals: this.#passes(state, 'removals', open.removals),
    });
    if (answer) this.#write(state, answer, started);
  }

  /** A closed gate opens by itself after a while, so that a proxy which acknowledges late is late, not stuck. */
  #passes(state: TypeState, kind: 'changes' | 'removals', open: boolean): boolean {
    const { typeUrl } = state;
    const gatedSinceMs = this.#gatedSinceMs[kind];
    if (open || !(kind === 'changes' ? state.changesPending : state.removalsPending)) {
      gatedSinceMs.delete(typeUrl);
      return open;
    }
    const now = this.#init.clock.monotonicMs();
    const since = gatedSinceMs.get(typeUrl) ?? now;
    const leftMs = since + this.#init.options.gateTimeoutMs - now;
    if (leftMs <= 0) {
      gatedSinceMs.delete(typeUrl);
      this.#init.metrics.gateTimeouts.inc({ type: metricType(state.typeUrl) });
      return true;
    }
    gatedSinceMs.set(typeUrl, since);
    this.#cancelGateTimer ??= this.#init.clock.setTimer(() => this.#gateTimedOut(), leftMs);
    return false;
  }

  #gateTimedOut(): void {
    this.#cancelGateTimer = undefined;
    try {
      this.step();
    } catch (error) {
      this.#init.fail(error);
    }
  }

  #write(state: TypeState, answer: Answer, startedMs: number): void {
    const { clock, metrics, options } = this.#init;
    const nonce = String(++this.#lastNonce);
    const { resources, removed } = answer;
    const { typeUrl } = state;
    const version = String(this.#proxyClass.revision);
    const message = encodeResponse(this.variant, { typeUrl, resources, removed, version, nonce, identifier: options.identifier });
    state.sent(answer, nonce, clock.now());
    this.#wroteSinceSettled = true;
    if (this.unsettledSince === undefined) {
      this.unsettledSince = clock.now();
      this.#init.observer.progressed(this, undefined, []);
    }
    for (const resource of answer.removedResources) this.#needNoMore(resource);
    for (const resource of answer.fresh) for (const { typeUrl, name } of resource.requires) this.types[typeUrl].need(name);
    this.#blocked = !this.#init.send(message);
    const type = metricType(typeUrl);
    metrics.pushes.inc({ type });
    metrics.configBytes.observe({ type: typeUrl }, message.length);
    metrics.pushSeconds.observe({ type }, (clock.monotonicMs() - startedMs) / 1000);
  }

  #needNoMore(resource: Resource): void {
    for (const { typeUrl, name } of resource.requires) this.types[typeUrl].needNoMore(name);
  }

  #settle(state: TypeState): void {
    const before = state.ackedRevision;
    state.settle();
    if (state.ackedRevision > before) this.#init.observer.progressed(this, before, []);
  }

  #noteProgress(): void {
    if (this.unsettledSince === undefined || !this.settled) return;
    const tookMs = this.#init.clock.now() - this.unsettledSince;
    if (this.#wroteSinceSettled) this.#init.metrics.convergenceSeconds.observe(tookMs / 1000);
    this.#wroteSinceSettled = false;
    this.unsettledSince = undefined;
    this.#init.observer.progressed(this, undefined, []);
  }
}
