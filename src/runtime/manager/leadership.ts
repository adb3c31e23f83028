import type { Clock } from '../clock.ts';
import { LeaderElectionLostError, type LeaderElector } from '../leader-election/leader-elector.ts';
import type { RunnableGroup } from './runnable-group.ts';

export interface LeadershipOptions {
  /** Absent: there is one replica, which leads at once. */
  readonly elector?: LeaderElector;
  readonly group: RunnableGroup;
  readonly whenLost: 'stop' | 'standBy';
  readonly clock: Clock;
  readonly onElected: () => void;
  /** Told when this replica may not go on: it must end, and whoever led must not be waited for. */
  readonly onLost: (error: Error) => void;
}

/** Starts the leader's runnables when this replica is elected and ends them when it is not the leader any more. */
export class Leadership {
  readonly #options: LeadershipOptions;
  readonly #stop = new AbortController();
  #campaign: Promise<void> | undefined;
  #lost = false;

  constructor(options: LeadershipOptions) {
    this.#options = options;
  }

  start(): void {
    this.#campaign = this.#run();
  }

  /**
   * Ends the candidacy; the lease is renewed until then. `release` gives it back, which is only right when all of the leader's
   * runnables have ended.
   */
  async stop({ release }: { readonly release: boolean }): Promise<void> {
    this.#stop.abort();
    await this.#campaign;
    if (release && !this.#lost) await this.#options.elector?.release();
  }

  async #run(): Promise<void> {
    const { elector, group, whenLost, onElected, onLost } = this.#options;
    const onStartedLeading = () => {
      onElected();
      void group.start();
    };
    if (!elector) return onStartedLeading();
    for (;;) {
      const end = await elector.run(this.#stop.signal, { onStartedLeading });
      if (end.type === 'stopped') return;
      const lost = new LeaderElectionLostError(`leader election lost: ${end.error.message}`, { cause: end.error });
      const late = whenLost === 'standBy' ? await this.#standDown(lost) : [];
      if (whenLost === 'standBy' && late.length === 0) continue;
      this.#lost = true;
      if (late.length === 0) return onLost(lost);
      return onLost(new LeaderElectionLostError(`${lost.message}; still running: ${late.join(', ')}`, { cause: end.error }));
    }
  }

  /** Ends the leader's runnables before another can lead. Resolves with the names of those that did not. */
  async #standDown(lost: Error): Promise<string[]> {
    const { elector, group, clock } = this.#options;
    const deadline = Promise.withResolvers<void>();
    const cancel = clock.setTimer(deadline.resolve, elector!.standDownMs);
    await group.standDown(deadline.promise, lost);
    cancel();
    return group.running;
  }
}
