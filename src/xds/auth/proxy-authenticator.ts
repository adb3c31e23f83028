import ipaddr from 'ipaddr.js';
import type { Registry } from 'prom-client';
import { type ProxyNode, proxyName } from '../../mesh/proxy.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Event } from '../../runtime/event.ts';
import type { Logger } from '../../runtime/logger.ts';
import { type DeepReadonly, type KubernetesObject, type ObjectName, objectName } from '../../runtime/object.ts';
import type { AdsCall, Authenticate, GuardedStream } from '../stream.ts';
import { aborted, permissionDenied, type StreamError, unauthenticated, unavailable } from '../wire/stream-error.ts';
import { createRefusalMetrics, type RefusalReason } from './refusal-metrics.ts';
import { ReviewCache } from './review-cache.ts';
import type { TokenIdentity, TokenReviewer } from './token-reviewer.ts';
import { WaitingRoom } from './waiting-room.ts';

/** What is known of a pod. */
export interface KnownPod extends KubernetesObject {
  readonly status: {
    /** Empty until it has one. */
    readonly podIPs: readonly string[];
  };
}

/** Where a source keeps the pods up to date; an `ObjectStore` is one. */
export interface KnownPods {
  get(name: ObjectName): DeepReadonly<KnownPod> | undefined;
  subscribe(listener: (event: Event<KnownPod>) => void): () => void;
}

export interface ProxyAuthenticatorOptions {
  readonly reviewer: Pick<TokenReviewer, 'review' | 'forgetPod'>;
  readonly pods: KnownPods;
  /** Whether a namespace takes part in the mesh; pods of others are not known. */
  readonly includes: (namespace: string) => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: Registry;
}

/** How long a proxy that is quicker than the watch waits for its pod to be known, in milliseconds. */
const podWaitMs = 10_000;

/** How long a deleted pod is remembered, in milliseconds. */
const deletedForMs = 60_000;

/** Refusals of one reason are logged this often at most, in milliseconds: whoever can connect can cause them. */
const logEveryMs = 1000;

/**
 * Lets in proxies whose pod is who it says: the stream carries a token of the pod's service account, bound to the pod, and the node names
 * that account, that pod and addresses of it. Its labels are the pod's, and follow them. A pod has one stream, its newest, which ends
 * when the pod is deleted.
 */
export class ProxyAuthenticator {
  readonly #options: ProxyAuthenticatorOptions;
  readonly #refusals: ReturnType<typeof createRefusalMetrics>;
  /** The stream of each pod, by its uid. */
  readonly #streams = new Map<string, GuardedStream>();
  readonly #waitingRoom = new WaitingRoom();
  /** Who waits for news of a pod, by its name. */
  readonly #waiting = new Map<string, Set<() => void>>();
  /** The uids of pods that were deleted lately: an API server goes on believing their tokens for a few seconds. */
  readonly #deleted: ReviewCache<true>;
  readonly #loggedAtMs = new Map<string, number>();
  readonly #unsubscribe: () => void;

  constructor(options: ProxyAuthenticatorOptions) {
    this.#options = options;
    this.#refusals = createRefusalMetrics(options.registry);
    this.#deleted = new ReviewCache({ clock: options.clock, maxEntries: 10_000 });
    this.#unsubscribe = options.pods.subscribe((event) => this.#follow(event));
  }

  /** For the port that proxies of the cluster connect to. */
  readonly authenticate: Authenticate = async (call) => {
    const from = addressOf(call.getPeer());
    const leave = this.#enter(call, from);
    const identity = await this.#identify(call, from);
    return async (node, stream) => {
      this.#checkNode(identity, node);
      await this.#untilKnown(identity);
      // From here on nothing waits, so that no news of the pod is lost between the check and the watch.
      stream.relabel(this.#checkPod(identity, node).metadata.labels ?? {});
      this.#take(identity, call, stream);
      leave();
    };
  };

  /** Follows pods no more. */
  close(): void {
    this.#unsubscribe();
  }

  /** Who knocks takes memory, whoever it is. Answers how to make room again; a stream that ends has done so. */
  #enter(call: AdsCall, from: string): () => void {
    const sizeBytes = call.metadata.get('authorization').reduce((sum, value) => sum + value.length, 0);
    const leave = this.#waitingRoom.enter(from, sizeBytes);
    if (!leave) throw this.#refuse('too_many_waiting', unavailable('too many streams wait to be let in; come back later'));
    call.once('close', leave);
    return leave;
  }

  async #identify(call: AdsCall, from: string): Promise<TokenIdentity> {
    const values = call.metadata.get('authorization');
    const token = values.length === 1 ? /^Bearer +(\S+)$/i.exec(String(values[0]))?.[1] : undefined;
    if (token === undefined)
      throw this.#refuse('no_token', unauthenticated('the stream carries no token: "authorization: Bearer TOKEN" is expected'));
    let review: Awaited<ReturnType<TokenReviewer['review']>>;
    try {
      review = await this.#options.reviewer.review(token, from);
    } catch (error) {
      this.#options.logger.error('A token could not be reviewed; the proxy comes back', { error });
      throw this.#refuse('not_reviewed', unavailable('the token could not be reviewed: the API server did not answer'));
    }
    if (review.outcome === 'refused') throw this.#refuse(review.reason, unauthenticated(review.message));
    return review.identity;
  }

  /**
   * A token is for one pod: the node may name no other. Its account may go unnamed, as in Istio: it follows from the pod, and nothing is
   * given by it.
   */
  #checkNode({ namespace, serviceAccount, pod }: TokenIdentity, node: ProxyNode): void {
    const differences = [
      ['namespace', namespace, node.namespace],
      ['pod', pod.name, node.name],
      ...(node.serviceAccount === '' ? [] : [['service account', serviceAccount, node.serviceAccount]]),
    ].filter(([, token, claimed]) => token !== claimed);
    if (differences.length === 0) return;
    const said = differences.map(
      ([what, token, claimed]) => `the token's ${what} is "${token}", the node's "${shorten(claimed!)}"`,
    );
    throw this.#refuse('foreign_node', permissionDenied(said.join('; ')), node);
  }

  /** The pod must be there, and have the addresses that the node names: by them it is given what it serves. Answers the pod. */
  #checkPod(identity: TokenIdentity, node: ProxyNode): DeepReadonly<KnownPod> {
    const { namespace, pod } = identity;
    const name = `${namespace}/${pod.name}`;
    if (!this.#options.includes(namespace)) {
      const message = `namespace "${namespace}" takes no part in the mesh: no discovery selector matches its labels`;
      throw this.#refuse('foreign_namespace', permissionDenied(message), node);
    }
    if (this.#deleted.get(pod.uid)) throw this.#refuse('deleted_pod', unauthenticated(`pod ${name} was deleted`), node);
    const known = this.#find(identity);
    if (!known) {
      const error = unavailable(`pod ${name} with the token's uid ${pod.uid} and an address is not known here (yet)`);
      throw this.#refuse('unknown_pod', error, node);
    }
    const own = new Set(known.status.podIPs.map(normalise));
    const foreign = node.ipAddresses.filter((address) => !own.has(normalise(address)));
    if (foreign.length === 0) return known;
    const message = `pod ${name} has the addresses ${[...own].join(', ')}; the node names ${foreign.slice(0, 5).join(', ')}`;
    throw this.#refuse('foreign_address', permissionDenied(message), node);
  }

  /** The pod of a token, if it is known with an address. */
  #find({ namespace, pod: { name, uid } }: TokenIdentity): DeepReadonly<KnownPod> | undefined {
    const pod = this.#options.pods.get(`${namespace}/${name}`);
    return pod?.metadata.uid === uid && pod.status.podIPs.length > 0 ? pod : undefined;
  }

  /** Until the pod is known, or cannot be, or the time for it is over. */
  async #untilKnown(identity: TokenIdentity): Promise<void> {
    const { clock, includes } = this.#options;
    const { namespace, pod } = identity;
    const deadlineMs = clock.monotonicMs() + podWaitMs;
    while (includes(namespace) && !this.#deleted.get(pod.uid) && !this.#find(identity)) {
      const leftMs = deadlineMs - clock.monotonicMs();
      if (leftMs <= 0) return;
      await this.#newsOf(`${namespace}/${pod.name}`, leftMs);
    }
  }

  #newsOf(name: string, timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(name) ?? new Set();
      this.#waiting.set(name, waiting);
      const end = () => {
        cancel();
        waiting.delete(end);
        if (waiting.size === 0 && this.#waiting.get(name) === waiting) this.#waiting.delete(name);
        resolve();
      };
      const cancel = this.#options.clock.setTimer(end, timeoutMs);
      waiting.add(end);
    });
  }

  /** A pod has one proxy: its newest stream takes the place of one that may be dead, though nobody has heard of its end. */
  #take({ namespace, pod }: TokenIdentity, call: AdsCall, stream: GuardedStream): void {
    if (stream.isOver) return;
    const before = this.#streams.get(pod.uid);
    this.#streams.set(pod.uid, stream);
    call.once('close', () => {
      if (this.#streams.get(pod.uid) === stream) this.#streams.delete(pod.uid);
    });
    before?.end(this.#refuse('superseded', aborted(`a newer stream of pod ${namespace}/${pod.name} has taken this one's place`)));
  }

  #follow(event: Event<KnownPod>): void {
    const object = event.type === 'update' ? event.objectNew : event.object;
    for (const end of [...(this.#waiting.get(objectName(object)) ?? [])]) end();
    if (event.type !== 'delete') this.#streams.get(object.metadata.uid ?? '')?.relabel(object.metadata.labels ?? {});
    // A list that had left it out was wrong.
    if (event.type === 'create' && object.metadata.uid !== undefined) this.#deleted.delete(object.metadata.uid);
    if (event.type === 'update' && event.objectOld.metadata.uid !== event.objectNew.metadata.uid) this.#revoke(event.objectOld);
    // The pods of a namespace that leaves the mesh are no longer known, which is not their end.
    if (event.type === 'delete' && this.#options.includes(object.metadata.namespace)) this.#revoke(object);
  }

  #revoke(pod: DeepReadonly<KnownPod>): void {
    const { uid } = pod.metadata;
    if (uid === undefined) return;
    this.#options.reviewer.forgetPod(uid);
    this.#deleted.set(uid, true, deletedForMs);
    this.#streams.get(uid)?.end(this.#refuse('deleted_pod', unauthenticated(`pod ${objectName(pod)} was deleted`)));
  }

  /** Counts and logs it; the message holds nothing of a token. */
  #refuse(reason: RefusalReason, error: StreamError, node?: ProxyNode): StreamError {
    const { clock, logger } = this.#options;
    this.#refusals.inc({ reason });
    const nowMs = clock.monotonicMs();
    if (nowMs - (this.#loggedAtMs.get(reason) ?? Number.NEGATIVE_INFINITY) >= logEveryMs) {
      this.#loggedAtMs.set(reason, nowMs);
      logger.warn('A proxy was refused', { reason, message: error.message, ...(node && { proxy: shorten(proxyName(node)) }) });
    }
    return error;
  }
}

/** A peer's address without its port. */
function addressOf(peer: string): string {
  const at = peer.lastIndexOf(':');
  return at < 0 ? peer : peer.slice(0, at);
}

function shorten(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

function normalise(address: string): string {
  return ipaddr.isValid(address) ? ipaddr.process(address).toString() : address;
}
