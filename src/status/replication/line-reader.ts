import { maxLineBytes } from './replica-line.ts';

const newline = 0x0a;

/** Cuts a stream into lines of JSON, none longer than the protocol's limit. An empty line is a sign of life and passed over. */
export class LineReader {
  #unfinished: Buffer[] = [];
  #unfinishedBytes = 0;

  /** The values whose lines end in this piece. Throws for a line that is too long or no JSON. */
  *push(piece: Buffer): Generator<unknown, void, undefined> {
    let from = 0;
    for (let end = piece.indexOf(newline); end >= 0; end = piece.indexOf(newline, from)) {
      this.#keep(piece.subarray(from, end));
      const line = Buffer.concat(this.#unfinished).toString('utf8');
      this.#unfinished = [];
      this.#unfinishedBytes = 0;
      from = end + 1;
      if (line !== '') yield JSON.parse(line);
    }
    if (from < piece.length) this.#keep(piece.subarray(from));
  }

  #keep(piece: Buffer): void {
    this.#unfinishedBytes += piece.length;
    if (this.#unfinishedBytes > maxLineBytes) throw new Error(`a line is longer than ${maxLineBytes} bytes`);
    this.#unfinished.push(piece);
  }
}
