/** A flag and the message's length. */
const prefixBytes = 5;

/** A message as gRPC frames it, not compressed. */
export function withPrefix(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(prefixBytes + message.length);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, prefixBytes);
  return framed;
}

/** Puts the messages of a stream together from its chunks. */
export class MessageReader {
  readonly #onMessage: (message: Buffer) => void;
  #chunks: Buffer[] = [];
  #length = 0;
  /** How many bytes the next message needs, its prefix included, as far as that is known. */
  #needed = prefixBytes;

  constructor(onMessage: (message: Buffer) => void) {
    this.#onMessage = onMessage;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    while (this.#length >= this.#needed) {
      const bytes = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
      const needed = prefixBytes + bytes.readUInt32BE(1);
      const isWhole = bytes.length >= needed;
      const rest = isWhole ? bytes.subarray(needed) : bytes;
      this.#chunks = rest.length > 0 ? [rest] : [];
      this.#length = rest.length;
      this.#needed = isWhole ? prefixBytes : needed;
      if (isWhole) this.#onMessage(bytes.subarray(prefixBytes, needed));
    }
  }
}
