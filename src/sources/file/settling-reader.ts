import type { Clock } from '../../runtime/clock.ts';
import { type FileStamp, type ReadOutcome, readText, sameStamp, statFile } from './read-text.ts';

/** What has become of a file; a text is complete as far as one can tell from outside. */
export type SettledOutcome = Exclude<ReadOutcome, { type: 'unstable' }>;

export interface SettlingReaderOptions {
  readonly clock: Clock;
  /** How long a file must be left alone before it is read or taken for gone. */
  readonly stabilityMs: number;
  readonly maxFileBytes: number;
  readonly onOutcome: (path: string, outcome: SettledOutcome) => void;
  /** No file is on its way any more; comes after the last outcome, if there was one. */
  readonly onIdle: () => void;
}

/** Why a file is looked at. */
export type DirtyReason =
  /** It was made, replaced or removed. */
  | 'renamed'
  /** It is being written in place. */
  | 'written'
  /** A scan came across it: it is read only if it looks different. */
  | 'scanned';

interface Pending {
  readonly sinceMs: number;
  lastHintMs: number;
  reason: DirtyReason;
  /** What the last look found; undefined: nothing yet, or no file. */
  seen: FileStamp | undefined;
  goneSinceMs: number | undefined;
  cancelTimer: () => void;
}

/** A file that took the place of another was complete when it did, save for the odd editor that writes afterwards. */
const replacedSettleMs = 5;

/** Files of a scan that are looked at at the same time. */
const scanWidth = 8;

/** A file that never comes to rest is read all the same after this long. */
const restlessMs = 500;

/**
 * Reads changed files once they have come to rest: a file written in place may be half there, or empty for a moment, and one that is
 * being replaced may be missing for a moment. A file that was replaced by another in one step is read almost at once.
 */
export class SettlingReader {
  readonly #options: SettlingReaderOptions;
  readonly #pending = new Map<string, Pending>();
  readonly #reading = new Set<string>();
  readonly #stamps = new Map<string, FileStamp>();
  readonly #scanned = new Set<string>();
  #scanning = 0;
  #closed = false;

  constructor(options: SettlingReaderOptions) {
    this.#options = options;
  }

  /** True if no file is on its way. */
  get idle(): boolean {
    return this.#pending.size === 0 && this.#reading.size === 0 && this.#scanned.size === 0 && this.#scanning === 0;
  }

  /** How long the longest pending file has been so, in milliseconds; 0 if none is. */
  get pendingForMs(): number {
    const first = this.#pending.values().next().value;
    return first ? this.#options.clock.monotonicMs() - first.sinceMs : 0;
  }

  /** The file may have changed: look at it, and read it when it has settled. */
  dirty(path: string, reason: DirtyReason): void {
    if (this.#closed) return;
    const pending = this.#pending.get(path);
    if (reason === 'scanned') {
      if (pending) return;
      this.#scanned.add(path);
      if (this.#scanning < scanWidth) void this.#scan();
    } else if (pending) {
      pending.lastHintMs = this.#options.clock.monotonicMs();
      if (pending.reason !== 'written') pending.reason = reason;
    } else {
      this.#lookAfter(path, this.#begin(path, reason), Math.min(replacedSettleMs, this.#options.stabilityMs));
    }
  }

  /** Reads the file as it is now, for the first list: a file that changes meanwhile becomes pending. */
  async readNow(path: string): Promise<ReadOutcome> {
    const outcome = await readText(path, this.#options.maxFileBytes);
    if (outcome.type === 'text') this.#stamps.set(path, outcome.stamp);
    if (outcome.type === 'unstable') this.dirty(path, 'written');
    return outcome;
  }

  close(): void {
    this.#closed = true;
    for (const pending of this.#pending.values()) pending.cancelTimer();
    this.#pending.clear();
    this.#scanned.clear();
  }

  /** Takes files that a scan came across, one after the other: most are as they were, and thousands of them must not crowd out the rest. */
  async #scan(): Promise<void> {
    this.#scanning += 1;
    for (const path of this.#scanned) {
      this.#scanned.delete(path);
      const found = await statFile(path);
      if (this.#closed) return;
      if (this.#pending.has(path) || (found.type === 'file' && sameStamp(found.stamp, this.#stamps.get(path)))) continue;
      await this.#look(path, this.#begin(path, 'scanned'));
    }
    this.#scanning -= 1;
    this.#tellIdle();
  }

  #begin(path: string, reason: DirtyReason): Pending {
    const nowMs = this.#options.clock.monotonicMs();
    const pending = { sinceMs: nowMs, lastHintMs: nowMs, reason, seen: undefined, goneSinceMs: undefined, cancelTimer: () => {} };
    this.#pending.set(path, pending);
    return pending;
  }

  #tellIdle(): void {
    if (!this.#closed && this.idle) this.#options.onIdle();
  }

  #lookAfter(path: string, pending: Pending, delayMs: number): void {
    pending.cancelTimer = this.#options.clock.setTimer(() => void this.#look(path, pending), delayMs);
  }

  async #look(path: string, pending: Pending): Promise<void> {
    const found = await statFile(path);
    if (this.#closed) return;
    let waitMs = replacedSettleMs;
    if (!this.#reading.has(path))
      waitMs = found.type === 'file' ? this.#restMs(path, pending, found.stamp) : this.#goneMs(pending);
    if (waitMs > 0) {
      this.#lookAfter(path, pending, waitMs);
      return;
    }
    this.#pending.delete(path);
    if (found.type === 'file') await this.#read(path);
    else this.#settle(path, found);
  }

  async #read(path: string): Promise<void> {
    this.#reading.add(path);
    const outcome = await readText(path, this.#options.maxFileBytes);
    this.#reading.delete(path);
    if (this.#closed) return;
    if (outcome.type === 'unstable') this.dirty(path, 'written');
    else this.#settle(path, outcome);
  }

  #settle(path: string, outcome: SettledOutcome): void {
    if (outcome.type === 'text') this.#stamps.set(path, outcome.stamp);
    else this.#stamps.delete(path);
    this.#options.onOutcome(path, outcome);
    this.#tellIdle();
  }

  /** How long to wait before the file may be read; 0: now. */
  #restMs(path: string, pending: Pending, stamp: FileStamp): number {
    const { clock, stabilityMs } = this.#options;
    const nowMs = clock.monotonicMs();
    const known = this.#stamps.get(path);
    pending.goneSinceMs = undefined;
    const replaced = known !== undefined && known.identity !== stamp.identity && stamp.sizeBytes > 0;
    if (replaced && pending.reason !== 'written') return 0;
    if (stamp.sizeBytes > 0 && nowMs - pending.sinceMs >= restlessMs) return 0;
    const restedMs = nowMs - pending.lastHintMs;
    if (restedMs >= stabilityMs && sameStamp(pending.seen, stamp)) return 0;
    if (!sameStamp(pending.seen, stamp) && pending.seen !== undefined) pending.lastHintMs = nowMs;
    pending.seen = stamp;
    return Math.max(1, pending.lastHintMs + stabilityMs - nowMs);
  }

  /** As {@link #restMs}, for a file that is not there or not readable. */
  #goneMs(pending: Pending): number {
    const nowMs = this.#options.clock.monotonicMs();
    pending.seen = undefined;
    pending.goneSinceMs ??= nowMs;
    return Math.max(0, pending.goneSinceMs + this.#options.stabilityMs - nowMs);
  }
}
