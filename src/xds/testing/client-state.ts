import { typeUrls } from '../../envoy/resource.ts';
import type { Variant } from '../wire/encode-response.ts';

/** A resource as a client holds it. */
export interface HeldResource {
  readonly version: string;
  readonly value: Uint8Array;
}

/** A response of either variant, decoded. */
export interface ClientResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly version: string;
  readonly resources: ReadonlyMap<string, HeldResource>;
  readonly removed: readonly string[];
}

/** What a client holds and wants of one type. Survives its streams, as a proxy's does. */
export class HeldType {
  readonly typeUrl: string;
  readonly resources = new Map<string, HeldResource>();
  readonly names = new Set<string>();
  wildcard = false;

  constructor(typeUrl: string) {
    this.typeUrl = typeUrl;
  }

  /** Applies a response as Envoy does: state of the world replaces clusters and listeners, everything else adds. */
  apply(variant: Variant, response: ClientResponse): void {
    const complete = variant === 'sotw' && (this.typeUrl === typeUrls.cluster || this.typeUrl === typeUrls.listener);
    if (complete) for (const name of this.resources.keys()) if (!response.resources.has(name)) this.resources.delete(name);
    for (const [name, resource] of response.resources) {
      if (this.wildcard || this.names.has(name)) this.resources.set(name, resource);
    }
    for (const name of response.removed) this.resources.delete(name);
  }
}
