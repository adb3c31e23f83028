import type { Logger } from '../logger.ts';
import type { Runnable, RunnableGroupName } from '../runnable.ts';

export interface RunnableGroupOptions {
  readonly name: RunnableGroupName;
  readonly logger: Logger;
  /** Told of every runnable that rejects while it should run. */
  readonly onError: (error: Error) => void;
}

interface Run {
  readonly runnable: Runnable;
  readonly ended: Promise<void>;
}

/** Runnables that start and stop together. Takes more at any time before its last stop. */
export class RunnableGroup {
  readonly name: RunnableGroupName;
  readonly #options: RunnableGroupOptions;
  readonly #members: Runnable[] = [];
  readonly #running = new Set<Run>();
  #state: 'waiting' | 'started' | 'stopped' = 'waiting';
  #stop = new AbortController();

  constructor(options: RunnableGroupOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** Starts it at once if the group runs already. Throws once the group has been stopped for good. */
  add(runnable: Runnable): void {
    if (this.#state === 'stopped')
      throw new Error(`cannot add ${runnable.name}: the manager is stopping and takes no more runnables`);
    this.#members.push(runnable);
    if (this.#state === 'started') this.#launch(runnable);
  }

  /** Starts every member and resolves when all are ready; also if the group is told to stop before. A second call does nothing. */
  async start(): Promise<void> {
    if (this.#state !== 'waiting') return;
    this.#state = 'started';
    const { signal } = this.#stop;
    const members = [...this.#members];
    for (const member of members) this.#launch(member);
    await Promise.all(members.map((member) => this.#waitUntilReady(member, signal)));
  }

  /** Names of those that have not ended. */
  get running(): string[] {
    return [...this.#running].map(({ runnable }) => runnable.name);
  }

  /** Tells all members to end and resolves when they have, or when `deadline` does. No member is started any more. */
  async stop(deadline: Promise<unknown>, reason?: Error): Promise<void> {
    this.#state = 'stopped';
    await this.#end(deadline, reason);
  }

  /** As {@link stop}, but {@link start} starts the members again: for a leader that became a follower. */
  async standDown(deadline: Promise<unknown>, reason?: Error): Promise<void> {
    await this.#end(deadline, reason);
    if (this.#state === 'stopped') return;
    this.#stop = new AbortController();
    this.#state = 'waiting';
  }

  async #end(deadline: Promise<unknown>, reason?: Error): Promise<void> {
    this.#stop.abort(reason);
    await Promise.race([deadline, Promise.all([...this.#running].map(({ ended }) => ended))]);
  }

  #launch(runnable: Runnable): void {
    const { signal } = this.#stop;
    this.#options.logger.debug('Starting runnable', { runnable: runnable.name, group: this.name });
    const run: Run = {
      runnable,
      ended: this.#run(runnable, signal).then(() => void this.#running.delete(run)),
    };
    this.#running.add(run);
  }

  /** Never rejects. */
  async #run(runnable: Runnable, signal: AbortSignal): Promise<void> {
    try {
      await runnable.start(signal);
      if (!signal.aborted) this.#options.logger.debug('Runnable ended by itself', { runnable: runnable.name });
    } catch (thrown) {
      if (!signal.aborted) return this.#options.onError(failure(runnable, thrown));
      // To reject with the signal's reason is how much of the platform ends when told to.
      if (thrown !== signal.reason)
        this.#options.logger.error('Runnable failed while it was stopping', { runnable: runnable.name, error: thrown });
    }
  }

  async #waitUntilReady(runnable: Runnable, signal: AbortSignal): Promise<void> {
    try {
      await runnable.waitForReady?.(signal);
    } catch (thrown) {
      if (!signal.aborted) this.#options.onError(failure(runnable, thrown));
    }
  }
}

function failure(runnable: Runnable, cause: unknown): Error {
  return new Error(`${runnable.name} failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
}
