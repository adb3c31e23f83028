import type { TypeUrl } from '../../envoy/resource.ts';

/** What a proxy refused of a generation, and in which words. */
export interface Refusal {
  readonly typeUrl: TypeUrl;
  readonly resource: string;
  /** The proxy that refused it first, as `namespace/name`. */
  readonly proxy: string;
  /** Envoy's own message, at most 512 characters. */
  readonly message: string;
  /** Milliseconds since the epoch. */
  readonly atMs: number;
}

/** Where the newest generation of an object stands that proxies do not all get at once. */
export type RolloutReport =
  | {
      readonly stage: 'trial';
      /** How many proxies try it. */
      readonly proxies: number;
      /** The generation that everybody else is served meanwhile; undefined: none. */
      readonly servedGeneration: number | undefined;
    }
  | {
      readonly stage: 'quarantined';
      /** Undefined: another replica, or this one before it was started again, saw the refusal. */
      readonly refusal: Refusal | undefined;
      readonly message: string;
      readonly servedGeneration: number | undefined;
    };

/** How generations reach the fleet. */
export interface RolloutOptions {
  /** How many proxies try a new generation before the rest, each of another class; 0: everybody gets it at once. Default 3. */
  readonly canaries: number;
  /** How long the rest waits for a proxy on trial that says nothing, in milliseconds. Default 5,000. */
  readonly deadlineMs: number;
}

/** The defaults of {@link RolloutOptions}. */
export const defaultRolloutOptions: RolloutOptions = { canaries: 3, deadlineMs: 5000 };
