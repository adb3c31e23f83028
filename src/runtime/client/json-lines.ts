const newline = 0x0a;

/**
 * Cuts a stream of bytes into lines of JSON, wherever the pieces begin and end: in the middle of a line, of a string, of a
 * character. An empty line is passed over.
 */
export class JsonLines {
  #unfinished: Buffer[] = [];

  /** The values whose lines end in this piece, in order, each parsed when it is asked for. Throws a SyntaxError for a line that is no JSON. */
  *push(piece: Buffer): Generator<unknown, void, undefined> {
    let from = 0;
    for (let end = piece.indexOf(newline); end >= 0; end = piece.indexOf(newline, from)) {
      const line = this.#finish(piece.subarray(from, end));
      from = end + 1;
      if (line.trim() !== '') yield JSON.parse(line);
    }
    if (from < piece.length) this.#unfinished.push(piece.subarray(from));
  }

  /** Bytes of a line that has not ended: what a connection that breaks now would lose. */
  get unfinishedBytes(): number {
    return this.#unfinished.reduce((bytes, piece) => bytes + piece.length, 0);
  }

  #finish(end: Buffer): string {
    if (this.#unfinished.length === 0) return end.toString('utf8');
    const line = Buffer.concat([...this.#unfinished, end]).toString('utf8');
    this.#unfinished = [];
    return line;
  }
}
