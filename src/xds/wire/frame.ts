/** Protobuf's wire type for strings, bytes and messages: a length, then the bytes. */
const lengthDelimited = 2;

/** How many bytes `value` takes as a varint. */
export function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

/** The bytes that announce a length-delimited field: its tag and its length. Field numbers up to 15 only (one byte of tag). */
export function fieldHead(field: number, sizeBytes: number): Buffer {
  const head = Buffer.allocUnsafe(1 + varintSize(sizeBytes));
  head[0] = (field << 3) | lengthDelimited;
  let offset = 1;
  let rest = sizeBytes;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) head[offset++] = (rest % 0x80) | 0x80;
  head[offset] = rest;
  return head;
}

/** A string field, whole; the empty string is proto3's default and takes no bytes. */
export function stringField(field: number, text: string): Buffer {
  if (text === '') return empty;
  const bytes = Buffer.from(text, 'utf8');
  return Buffer.concat([fieldHead(field, bytes.length), bytes]);
}

const empty = Buffer.alloc(0);
