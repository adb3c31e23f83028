import { aborted } from '../runtime/abort.ts';
import type { Runnable } from '../runtime/runnable.ts';
import type { BoundAddress, XdsServer } from './server.ts';

export interface XdsRunnableOptions {
  readonly xds: XdsServer;
  readonly bind: { readonly host: string; readonly port: number };
  /** Resolves when the first lists have been taken in: whom it serves before that would be told that all it holds is gone. */
  readonly caughtUp: () => Promise<unknown>;
}

/** How long streams are given to end, in milliseconds. */
const closeDeadlineMs = 5000;

/** The xDS server as a part of a manager: every replica serves, from when the configuration is complete until the manager stops. */
export class XdsRunnable implements Runnable {
  readonly name = 'xDS server';
  readonly group = 'everyReplica';
  readonly #options: XdsRunnableOptions;
  readonly #served = Promise.withResolvers<string>();
  readonly #listening = Promise.withResolvers<void>();
  #bound: BoundAddress | undefined;

  constructor(options: XdsRunnableOptions) {
    this.#options = options;
    this.#listening.promise.catch(() => {});
  }

  /** Where proxies connect; undefined while none are served. */
  get address(): string | undefined {
    return this.#bound?.address;
  }

  /** Resolves with where proxies connect, as bound, once they are served; never, if it does not come to that. */
  get served(): Promise<string> {
    return this.#served.promise;
  }

  async start(signal: AbortSignal): Promise<void> {
    const { xds, bind, caughtUp } = this.#options;
    try {
      const stopped = aborted(signal);
      await Promise.race([caughtUp(), stopped]);
      if (!signal.aborted) {
        this.#bound = await xds.listen(bind.host, bind.port);
        this.#served.resolve(this.#bound.address);
      }
      this.#listening.resolve();
      await stopped;
    } catch (error) {
      this.#listening.reject(error);
      throw error;
    } finally {
      this.#bound = undefined;
      await xds.close({ deadlineMs: closeDeadlineMs });
    }
  }

  waitForReady(signal: AbortSignal): Promise<void> {
    return Promise.race([this.#listening.promise, aborted(signal)]);
  }
}
