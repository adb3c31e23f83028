import type { RestClient } from '../client/rest-client.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../logger.ts';
import type { KubernetesObject } from '../object.ts';
import type { ResourceKind } from '../resource-kind.ts';
import type { LabelSelector } from './label-selector.ts';
import type { ObjectStore } from './object-store.ts';

/** Which objects of a kind are kept, and how much of each. */
export interface ReflectedKind<T extends KubernetesObject = KubernetesObject> {
  readonly kind: ResourceKind<T>;
  /** Only objects of this namespace are asked for. Default: all namespaces. */
  readonly namespace?: string;
  /** Only objects with these labels are asked for. */
  readonly labelSelector?: LabelSelector;
  /** Only objects with these fields are asked for, in Kubernetes' notation: `status.phase!=Succeeded,status.phase!=Failed`. */
  readonly fieldSelector?: string;
  /**
   * What is kept of an object, whose metadata is slimmed already; undefined leaves it out. May change its argument. An object on
   * which it throws is logged and stays as it was before.
   */
  readonly transform?: (object: T) => T | undefined;
}

/** Times in milliseconds. */
export interface ReflectorTimes {
  /** How long a watch lasts before it is renewed, at least; up to twice that. Default 300,000. */
  readonly watchTimeoutMs?: number;
  /** A watch that has not ended this long after its time hangs. Default 30,000. */
  readonly graceMs?: number;
  /** A watch that has not sent a byte for so long hangs; the API server sends a bookmark about each minute. Default 150,000. */
  readonly silenceMs?: number;
  /** How long one page of a list may take. Default 60,000. */
  readonly listTimeoutMs?: number;
  /** The first wait after a failure. Default 800. */
  readonly backoffBaseMs?: number;
  /** The longest wait, jitter aside. Default 30,000. */
  readonly backoffMaxMs?: number;
  /** The longest wait for a kind that is not served. Default 5,000. */
  readonly missingMaxMs?: number;
  /** A kind that was served and then is not for so long has no objects any more. Default 30,000. */
  readonly goneAfterMs?: number;
}

export interface ReflectorOptions<T extends KubernetesObject = KubernetesObject> extends ReflectedKind<T>, ReflectorTimes {
  readonly rest: RestClient;
  /** Written by this reflector alone. */
  readonly store: ObjectStore<T>;
  /**
   * Namespaces whose objects are kept; others are dropped as they come. Asked again for those named to
   * `Reflector.namespacesChanged`. Default: all.
   */
  readonly keepsNamespace?: (namespace: string) => boolean;
  /** Objects in one answer of a list. Default 500. */
  readonly pageSize?: number;
  /** Default: nothing is logged. */
  readonly logger?: Logger;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
  /** Between 0 and 1. Default `Math.random`. */
  readonly random?: () => number;
}

/** What a reflector does now. */
export interface ReflectorStatus {
  /** `deployments.apps`. */
  readonly resource: string;
  /** `waiting`: after a failure, before the next try. */
  readonly phase: 'idle' | 'listing' | 'watching' | 'waiting' | 'stopped';
  /** The failure that has not been overcome, for a person; undefined if all is well. */
  readonly problem: string | undefined;
  /** The API server does not serve the kind. */
  readonly isMissing: boolean;
  /** Lists that were read to the end. */
  readonly lists: number;
  /** Watches that the API server accepted. */
  readonly watches: number;
  /** Up to here the store is in step. Empty before the first list. */
  readonly resourceVersion: string;
}
