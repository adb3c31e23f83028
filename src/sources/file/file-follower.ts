import { watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Clock, systemClock } from '../../runtime/clock.ts';
import { type Logger, silentLogger } from '../../runtime/logger.ts';
import type { Runnable } from '../../runtime/runnable.ts';

export interface FileFollowerOptions {
  readonly file: string;
  /** What the file said when it was read last; the first different text is told. */
  readonly text: string;
  /** Told of each new text. What it throws is logged. */
  readonly onChange: (text: string) => void;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

/** An editor or kubelet writes in several steps: read this long after the first of them, in milliseconds. */
const settleMs = 50;

/** How often the file is read although nothing was heard of it: not every file system tells, in milliseconds. */
const rereadMs = 10_000;

/**
 * Follows the text of one file. The directory is what is watched: editors and git put a new file in the old one's place, and a mounted
 * ConfigMap changes by a symbolic link beside the file. While the file is missing, what it said last holds.
 */
export class FileFollower implements Runnable {
  readonly name: string;
  readonly group = 'everyReplica';
  readonly #options: FileFollowerOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #text: string;
  #isMissing = false;

  constructor(options: FileFollowerOptions) {
    this.name = `file ${options.file}`;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#logger = (options.logger ?? silentLogger).child({ file: options.file });
    this.#text = options.text;
  }

  /** As {@link Runnable.start}. A directory that cannot be watched is logged; the file is then read from time to time. */
  async start(signal: AbortSignal): Promise<void> {
    const { promise: stopped, resolve } = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => resolve(), { once: true });
    if (signal.aborted) return;
    let reading = Promise.resolve();
    let cancel = () => {};
    const readIn = (delayMs: number) => {
      cancel();
      cancel = this.#clock.setTimer(() => {
        reading = reading.then(() => this.#read(signal));
        readIn(rereadMs);
      }, delayMs);
    };
    readIn(settleMs);
    const unwatch = this.#watch(() => readIn(settleMs));
    await stopped;
    unwatch();
    cancel();
    await reading;
  }

  #watch(onEvent: () => void): () => void {
    const giveUp = (error: unknown) =>
      this.#logger.warn('The file cannot be watched; reading it from time to time', { error, everyMs: rereadMs });
    try {
      const watcher = watch(dirname(this.#options.file), onEvent);
      watcher.on('error', giveUp);
      return () => watcher.close();
    } catch (error) {
      giveUp(error);
      return () => {};
    }
  }

  /** Never rejects. */
  async #read(signal: AbortSignal): Promise<void> {
    try {
      const text = await readFile(this.#options.file, 'utf8');
      this.#isMissing = false;
      if (signal.aborted || text === this.#text) return;
      this.#text = text;
      this.#options.onChange(text);
    } catch (error) {
      if (!this.#isMissing) this.#logger.error('Reading the file failed; what it said last holds', { error });
      this.#isMissing = true;
    }
  }
}
