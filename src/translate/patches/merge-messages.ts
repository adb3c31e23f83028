import { clone, type DescMessage, type Message } from '@bufbuild/protobuf';
import { isReflectMessage, type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';

/** What becomes of lists: MERGE appends to them, MERGE_AND_REPLACE_LIST puts the patch's in their place, at every depth. */
export interface MergeOptions {
  readonly replacesLists?: boolean;
}

/**
 * Messages that a merge replaces as a whole. Durations as in Istio: seconds of one and nanoseconds of the other make a third.
 * Wrappers, because they exist to tell zero and false from unset (ADR 0013). An Any, because bytes of two types do not mix.
 */
const wholes: ReadonlySet<string> = new Set([
  'google.protobuf.Duration',
  'google.protobuf.Timestamp',
  'google.protobuf.Any',
  ...['Double', 'Float', 'Int64', 'UInt64', 'Int32', 'UInt32', 'Bool', 'String', 'Bytes'].map(
    (type) => `google.protobuf.${type}Value`,
  ),
]);

/**
 * Merges `source` into `target` as Istio does (pkg/proto/merge): what the source sets is taken over, messages are merged field by
 * field, entries of maps are replaced. As in protobuf at large, a number 0, an empty string, `false` or an enumeration's first value
 * counts as not set, unless the field is a wrapper or optional. The source stays as it is, and nothing of it is shared.
 */
export function mergeMessages(schema: DescMessage, target: Message, source: Message, options: MergeOptions = {}): void {
  merge(reflect(schema, target, false), reflect(schema, source, false), options);
}

function merge(target: ReflectMessage, source: ReflectMessage, options: MergeOptions): void {
  for (const field of source.fields) {
    if (!source.isSet(field)) continue;
    switch (field.fieldKind) {
      case 'list': {
        const list = target.get(field);
        if (options.replacesLists) list.clear();
        for (const item of source.get(field)) list.add(copyOf(item));
        break;
      }
      case 'map': {
        const map = target.get(field);
        for (const [key, value] of source.get(field).entries()) map.set(key, copyOf(value));
        break;
      }
      case 'message': {
        const value = source.get(field);
        if (!target.isSet(field) || wholes.has(field.message.typeName)) {
          target.set(field, copyOf(value));
          break;
        }
        const into = target.get(field);
        merge(into, value, options);
        // A Struct is not a message where it stands as a field, but plain JSON: what was merged into was a copy.
        target.set(field, into);
        break;
      }
      default:
        target.set(field, copyOf(source.get(field)));
    }
  }
  const unknown = source.getUnknown();
  if (unknown?.length) target.setUnknown([...(target.getUnknown() ?? []), ...unknown]);
}

/** A value that shares nothing with the one given; scalars as they are. */
function copyOf<T>(value: T): T {
  if (isReflectMessage(value)) return reflect(value.desc, clone(value.desc, value.message), false) as T;
  if (value instanceof Uint8Array) return value.slice() as T;
  return value;
}
