import { type DescMessage, fromBinary, type Message, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import { concat, readFields, type WireField } from './wire-fields.ts';

/**
 * A serialised message of which only some fields are read: those that somebody changes. A cluster or a connection manager has dozens, a
 * patch is for one or two, and a patch may be for every cluster of the mesh.
 */
export class PartialMessage<D extends DescMessage> {
  /** The message with the fields that were asked for; to be changed in place, in these fields only. */
  readonly message: MessageShape<D>;
  readonly #schema: D;
  readonly #rest: WireField[] = [];

  constructor(schema: D, bytes: Uint8Array, fields: ReadonlySet<number>) {
    const wanted: Uint8Array[] = [];
    for (const field of readFields(bytes)) {
      if (fields.has(field.number)) wanted.push(field.raw);
      else this.#rest.push(field);
    }
    this.#schema = schema;
    this.message = fromBinary(schema, concat(wanted));
  }

  /** The whole message again, fields in the order of their numbers as ever. */
  encode(): Uint8Array {
    const parts: Uint8Array[] = [];
    let next = 0;
    for (const { number, raw } of readFields(toBinary(this.#schema, this.message))) {
      while (next < this.#rest.length && this.#rest[next]!.number < number) parts.push(this.#rest[next++]!.raw);
      parts.push(raw);
    }
    while (next < this.#rest.length) parts.push(this.#rest[next++]!.raw);
    return concat(parts);
  }
}

const touched = new WeakMap<Message, ReadonlySet<number>>();

/** The fields of a message that a merge of `value` into it may change: those that are set, and the other members of their oneofs. */
export function touchedFields(schema: DescMessage, value: Message): ReadonlySet<number> {
  let fields = touched.get(value);
  if (!fields) {
    const reflected = reflect(schema, value, false);
    const set = reflected.fields.filter((field) => reflected.isSet(field));
    fields = new Set(set.flatMap((field) => (field.oneof?.fields ?? [field]).map(({ number }) => number)));
    touched.set(value, fields);
  }
  return fields;
}
