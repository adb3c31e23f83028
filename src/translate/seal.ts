import { hash } from 'node:crypto';
import { type DescMessage, type MessageShape, toBinary } from '@bufbuild/protobuf';
import type { Resource, ResourceReference, TypeUrl } from '../envoy/resource.ts';
import type { ObjectKey } from '../mesh/object-key.ts';

/** A resource before it is serialised. */
export interface Draft<D extends DescMessage> {
  readonly typeUrl: TypeUrl;
  readonly name: string;
  readonly schema: D;
  readonly message: MessageShape<D>;
  readonly provenance: Iterable<ObjectKey>;
  readonly requires?: readonly ResourceReference[];
}

/** Serialises a draft, once. */
export function seal<D extends DescMessage>(draft: Draft<D>): Resource {
  return sealBytes(draft, toBinary(draft.schema, draft.message));
}

/** Seals bytes that were put together from shared parts. */
export function sealBytes(draft: Omit<Draft<DescMessage>, 'schema' | 'message'>, value: Uint8Array): Resource {
  return {
    typeUrl: draft.typeUrl,
    name: draft.name,
    version: versionOf(value),
    value,
    provenance: [...new Set(draft.provenance)],
    requires: draft.requires ?? [],
  };
}

/** Tells bytes apart: the first 120 bits of their SHA-1. */
export function versionOf(value: Uint8Array): string {
  // As a whole rather than as a slice, which would keep the whole digest in memory.
  return hash('sha1', value, 'buffer').toString('base64', 0, 15);
}
