import { typeUrls } from '../../envoy/resource.ts';
import type { SubscriptionUpdate } from '../wire/decode-request.ts';
import { resourceExhausted } from '../wire/stream-error.ts';

/** What a request asked for anew, and what it gave up. */
export interface SubscriptionChange {
  /** The type's wildcard is wanted from now on, or wanted again. */
  readonly wildcardAsked: boolean;
  /** Names to answer now. A name that a patch subscribes again is asked for again: the client may have forgotten it. */
  readonly asked: readonly string[];
  readonly dropped: readonly string[];
}

const wildcardName = '*';

/**
 * What a proxy wants of one type (xDS protocol, "How the client specifies what resources to return"): everything, names, or both.
 * A first request that names nothing means everything, for clusters and listeners only.
 */
export class Subscription {
  readonly #typeUrl: string;
  readonly #maxNames: number;
  readonly #names = new Set<string>();
  #wildcard = false;
  #requested = false;
  #everNamed = false;

  /** `maxNames`: how many names one proxy may hold of the type. */
  constructor(typeUrl: string, maxNames: number) {
    this.#typeUrl = typeUrl;
    this.#maxNames = maxNames;
  }

  /** A request of the type has been seen on this stream. */
  get requested(): boolean {
    return this.#requested;
  }

  /** Something is wanted. */
  get active(): boolean {
    return this.#wildcard || this.#names.size > 0;
  }

  get wildcard(): boolean {
    return this.#wildcard;
  }

  get names(): ReadonlySet<string> {
    return this.#names;
  }

  includes(name: string): boolean {
    return this.#wildcard || this.#names.has(name);
  }

  /** Takes over what a request says. Throws {@link resourceExhausted} beyond the limit of names. */
  apply(update: SubscriptionUpdate): SubscriptionChange {
    const first = !this.#requested;
    this.#requested = true;
    const change =
      update.kind === 'replace' ? this.#replace(update.names) : this.#patch(update.subscribe, update.unsubscribe, first);
    if (this.#names.size > this.#maxNames) {
      throw resourceExhausted(`${this.#names.size} names subscribed for ${this.#typeUrl}; the limit is ${this.#maxNames}`);
    }
    return change;
  }

  #replace(names: readonly string[]): SubscriptionChange {
    const wanted = new Set(names);
    const explicit = wanted.delete(wildcardName);
    if (names.length > 0) this.#everNamed = true;
    const wildcard = explicit || (!this.#everNamed && hasLegacyWildcard(this.#typeUrl));
    const wildcardAsked = wildcard && !this.#wildcard;
    this.#wildcard = wildcard;

    const asked: string[] = [];
    for (const name of wanted) if (!this.#names.has(name)) asked.push(name);
    const dropped: string[] = [];
    if (this.#names.size + asked.length > wanted.size) {
      for (const name of this.#names) if (!wanted.has(name)) dropped.push(name);
    }
    for (const name of dropped) this.#names.delete(name);
    for (const name of asked) this.#names.add(name);
    return { wildcardAsked, asked, dropped };
  }

  #patch(subscribe: readonly string[], unsubscribe: readonly string[], first: boolean): SubscriptionChange {
    let wildcardAsked = first && subscribe.length === 0 && hasLegacyWildcard(this.#typeUrl);
    const asked = new Set<string>();
    for (const name of subscribe) {
      if (name === wildcardName) wildcardAsked = true;
      else {
        this.#names.add(name);
        asked.add(name);
      }
    }
    if (wildcardAsked) this.#wildcard = true;
    const dropped: string[] = [];
    for (const name of unsubscribe) {
      asked.delete(name);
      if (name === wildcardName) this.#wildcard = wildcardAsked = false;
      else if (this.#names.delete(name)) dropped.push(name);
    }
    // Under the wildcard the client cannot know whether it still gets a name it unsubscribed: it waits to be told (Envoy: "ambiguous").
    if (this.#wildcard) return { wildcardAsked, asked: [...asked, ...dropped], dropped: [] };
    return { wildcardAsked, asked: [...asked], dropped };
  }
}

function hasLegacyWildcard(typeUrl: string): boolean {
  return typeUrl === typeUrls.cluster || typeUrl === typeUrls.listener;
}
