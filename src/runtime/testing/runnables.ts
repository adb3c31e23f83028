import { aborted } from '../abort.ts';
import type { Runnable, RunnableGroupName } from '../runnable.ts';

/** What happened, in order: `start a`, `stop a`. */
export type RunnableJournal = string[];

/** A runnable that writes down its start and its end, and ends when told to or by {@link end}. */
export class RecordingRunnable implements Runnable {
  readonly name: string;
  readonly group: RunnableGroupName;
  readonly #journal: RunnableJournal;
  readonly #ready = Promise.withResolvers<void>();
  readonly #held: boolean;
  #end = Promise.withResolvers<void>();
  #signal: AbortSignal | undefined;

  /** `held`: goes on after its stop, until {@link end}. */
  constructor(name: string, group: RunnableGroupName, journal: RunnableJournal, { held = false, ready = true } = {}) {
    this.name = name;
    this.group = group;
    this.#journal = journal;
    this.#held = held;
    if (ready) this.#ready.resolve();
  }

  /** Of the last start. */
  get signal(): AbortSignal | undefined {
    return this.#signal;
  }

  async start(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    this.#end = Promise.withResolvers<void>();
    this.#journal.push(`start ${this.name}`);
    await (this.#held ? this.#end.promise : Promise.race([aborted(signal), this.#end.promise]));
    this.#journal.push(`stop ${this.name}`);
  }

  waitForReady(signal: AbortSignal): Promise<void> {
    return Promise.race([this.#ready.promise, aborted(signal)]);
  }

  becomeReady(): void {
    this.#ready.resolve();
  }

  /** Ends by itself, with an error if one is given. */
  end(error?: Error): void {
    if (error) this.#end.reject(error);
    else this.#end.resolve();
  }
}
