import { aborted } from '../runtime/abort.ts';
import type { ObjectStore } from '../runtime/cache/object-store.ts';
import type { Clock } from '../runtime/clock.ts';
import type { ObjectName } from '../runtime/object.ts';
import type { Runnable } from '../runtime/runnable.ts';
import { type TrustSource, TrustValue } from './authority.ts';
import { bundlesOf, type WebhookConfiguration } from './ca-bundle.ts';
import { formerOverlaps, maxFormer } from './succession.ts';
import { joinBundles, readTold, type ToldCa, writeFormer } from './told-bundle.ts';

export interface ToldTrustOptions {
  /** Whom this replica's own authority wants believed. */
  readonly own: TrustSource;
  /** Where sources keep the webhook configurations. */
  readonly stores: readonly Pick<ObjectStore<WebhookConfiguration>, 'waitForSync' | 'subscribe' | 'get'>[];
  /** The configurations' name. */
  readonly name: ObjectName;
  /** How long a new authority is trusted before it is used. */
  readonly overlapMs: number;
  readonly clock: Clock;
}

/** A timer of days would be one that nobody has tested, in milliseconds. */
const lookAgainMs = 3_600_000;

/**
 * Whom clients are told to believe: those of the own authority, and those that API servers were told of by others, replicas of before or
 * of another kind of authority, for two overlaps. The time is written down with the CA, so that it does not begin anew with each process.
 * What the own authority has dropped is dropped; once API servers have forgotten it, a replica that adds it again is heard like any
 * other. There is nothing to tell before it is known what was told.
 */
export class ToldTrust implements TrustSource, Runnable {
  readonly name = 'trust';
  readonly group = 'server';
  readonly #options: ToldTrustOptions;
  readonly #told = new TrustValue();
  /** CAs that are the own authority's, or were and are still published. */
  #owned: ReadonlySet<string> = new Set();
  /** Until when others' CAs are believed that came without a time. */
  readonly #until = new Map<string, number>();
  #cancel = () => {};

  constructor(options: ToldTrustOptions) {
    this.#options = options;
  }

  get current(): string | undefined {
    return this.#told.current;
  }

  onChange(listener: (bundle: string) => void): () => void {
    return this.#told.onChange(listener);
  }

  /** As {@link Runnable.start}. */
  async start(signal: AbortSignal): Promise<void> {
    const { own, stores } = this.#options;
    await Promise.all(stores.map((store) => store.waitForSync(signal))).catch(() => {});
    if (signal.aborted) return;
    const update = () => this.#update();
    const ends = [own.onChange(update), ...stores.map((store) => store.subscribe(update))];
    update();
    await aborted(signal);
    for (const end of ends) end();
    this.#cancel();
  }

  #update(): void {
    const { own, stores, name, overlapMs, clock } = this.#options;
    if (own.current === undefined) return;
    const nowMs = clock.now();
    const latestMs = nowMs + formerOverlaps * overlapMs;
    const published = readTold(...stores.flatMap((store) => bundlesOf(store.get(name))));
    const leaving = published.filter(({ certificate }) => this.#owned.has(certificate));
    this.#owned = new Set([...readTold(own.current), ...leaving].map(({ certificate }) => certificate));
    const others = published
      .filter(({ certificate }) => !this.#owned.has(certificate))
      .map((ca) => ({ ...ca, untilMs: Math.min(ca.untilMs ?? this.#until.get(ca.certificate) ?? latestMs, latestMs) }));
    this.#until.clear();
    for (const { certificate, untilMs } of others) this.#until.set(certificate, untilMs);
    const believed = others
      .filter(({ untilMs }) => untilMs > nowMs)
      .toSorted((a, b) => b.untilMs - a.untilMs)
      .slice(0, maxFormer);
    this.#told.set(joinBundles(own.current, ...believed.map(write)));
    this.#cancel();
    const dueMs = Math.min(...believed.map(({ untilMs }) => untilMs - nowMs), lookAgainMs);
    this.#cancel = believed.length > 0 ? clock.setTimer(() => this.#update(), dueMs) : () => {};
  }
}

const write = ({ certificate, untilMs }: Required<ToldCa>): string => writeFormer(certificate, untilMs);
