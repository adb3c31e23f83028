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
  writeVarint(head, 1, sizeBytes);
  return head;
}

/** Puts small messages together from their end, so that each length is known when it is written. Reused: no rest of the work stays allocated. */
export class BackwardWriter {
  #bytes = Buffer.allocUnsafe(1024);
  #start = this.#bytes.length;

  /** How many bytes are written. */
  get length(): number {
    return this.#bytes.length - this.#start;
  }

  /** The head of a length-delimited field in front of what is written. Field numbers up to 15 only. */
  head(field: number, sizeBytes: number): void {
    const varint = varintSize(sizeBytes);
    this.#reserve(1 + varint);
    this.#bytes[this.#start] = (field << 3) | lengthDelimited;
    writeVarint(this.#bytes, this.#start + 1, sizeBytes);
  }

  /** A string field in front of what is written; none for the empty string. */
  string(field: number, text: string): void {
    if (text === '') return;
    const sizeBytes = Buffer.byteLength(text);
    this.#reserve(sizeBytes);
    this.#bytes.write(text, this.#start);
    this.head(field, sizeBytes);
  }

  /** A copy of what is written; the writer is empty then. */
  finish(): Buffer {
    const copy = Buffer.from(this.#bytes.subarray(this.#start));
    this.#start = this.#bytes.length;
    return copy;
  }

  #reserve(sizeBytes: number): void {
    if (sizeBytes > this.#start) {
      const larger = Buffer.allocUnsafe(2 * this.#bytes.length + sizeBytes);
      const start = larger.length - this.length;
      this.#bytes.copy(larger, start, this.#start);
      this.#bytes = larger;
      this.#start = start;
    }
    this.#start -= sizeBytes;
  }
}

function writeVarint(target: Buffer, at: number, value: number): void {
  let offset = at;
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) target[offset++] = (rest % 0x80) | 0x80;
  target[offset] = rest;
}

/** A string field, whole; the empty string is proto3's default and takes no bytes. */
export function stringField(field: number, text: string): Buffer {
  if (text === '') return empty;
  const bytes = Buffer.from(text, 'utf8');
  return Buffer.concat([fieldHead(field, bytes.length), bytes]);
}

const empty = Buffer.alloc(0);
