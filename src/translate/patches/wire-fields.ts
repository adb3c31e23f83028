import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/** A field of a serialised message. */
export interface WireField {
  readonly number: number;
  /** What is inside a length-delimited field (a string, bytes, a message); empty for numbers. */
  readonly content: Uint8Array;
  /** The whole field, tag and all. */
  readonly raw: Uint8Array;
}

const nothing = new Uint8Array();

/** The fields of a serialised message one by one, without reading what is in them. */
export function* readFields(bytes: Uint8Array): Generator<WireField> {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [number, wireType] = reader.tag();
    let content: Uint8Array = nothing;
    if (wireType === WireType.LengthDelimited) content = reader.bytes();
    else reader.skip(wireType, number);
    yield { number, content, raw: bytes.subarray(start, reader.pos) };
  }
}

const decoder = new TextDecoder();

/** A string field's content. */
export function text(content: Uint8Array): string {
  return decoder.decode(content);
}

/** Bytes one after another, in memory of their own: `Buffer.concat` would keep a pool's page alive with them. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
