/** One step of RFC 6902. */
export type JsonPatchOperation =
  | { readonly op: 'add' | 'replace' | 'test'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string }
  | { readonly op: 'move' | 'copy'; readonly from: string; readonly path: string };

/** A change of an object. */
export type Patch =
  /** RFC 7386: fields are merged, lists replaced, `null` removes a field. */
  | { readonly type: 'merge'; readonly value: object }
  /** RFC 6902: steps in order, all or nothing. */
  | { readonly type: 'json'; readonly operations: readonly JsonPatchOperation[] }
  /** Server-side apply: the fields that this field manager wants to be so; fields that it no longer names are removed. */
  | { readonly type: 'apply'; readonly value: object };

/** How a patch is sent. */
export function encodePatch(patch: Patch): { contentType: string; body: unknown } {
  switch (patch.type) {
    case 'merge':
      return { contentType: 'application/merge-patch+json', body: patch.value };
    case 'json':
      return { contentType: 'application/json-patch+json', body: patch.operations };
    case 'apply':
      // JSON is YAML.
      return { contentType: 'application/apply-patch+yaml', body: patch.value };
  }
}
