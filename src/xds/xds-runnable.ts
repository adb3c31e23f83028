import { aborted } from '../runtime/abort.ts';
import type { Runnable } from '../runtime/runnable.ts';
import type { PortOptions, XdsServer } from './server.ts';

/** A port that proxies connect to. */
export interface XdsPort {
  readonly host: string;
  readonly port: number;
  /** Asked for once; the port is opened when it resolves. Absent: plaintext for everyone, at once. */
  readonly options?: (signal: AbortSignal) => Promise<PortOptions>;
}

export interface XdsRunnableOptions<Name extends string> {
  readonly xds: XdsServer;
  readonly ports: { readonly [name in Name]?: XdsPort };
  /** Resolves when the first lists have been taken in: whom it serves before that would be told that all it holds is gone. */
  readonly caughtUp: () => Promise<unknown>;
}

/** How long streams are given to end, in milliseconds. */
const closeDeadlineMs = 5000;

/** The xDS server as a part of a manager: every replica serves, from when the configuration is complete until the manager stops. */
export class XdsRunnable<Name extends string> implements Runnable {
  readonly name = 'xDS server';
  readonly group = 'everyReplica';
  readonly #options: XdsRunnableOptions<Name>;
  readonly #served = Promise.withResolvers<Partial<Record<Name, string>>>();
  readonly #ready = Promise.withResolvers<void>();
  #addresses: Partial<Record<Name, string>> = {};

  constructor(options: XdsRunnableOptions<Name>) {
    this.#options = options;
    this.#ready.promise.catch(() => {});
  }

  /** Whether every port is open. */
  get isServing(): boolean {
    return Object.keys(this.#addresses).length === Object.keys(this.#options.ports).length;
  }

  /** Resolves with where proxies connect, as bound, once every port is open; never, if it does not come to that. */
  get served(): Promise<Partial<Record<Name, string>>> {
    return this.#served.promise;
  }

  async start(signal: AbortSignal): Promise<void> {
    const { xds, ports, caughtUp } = this.#options;
    const stopped = aborted(signal);
    const all = Object.entries(ports) as [Name, XdsPort][];
    const open = (wanted: (port: XdsPort) => boolean) =>
      Promise.all(all.filter(([, port]) => wanted(port)).map(([name, port]) => this.#open(name, port, signal)));
    try {
      await Promise.race([caughtUp(), stopped]);
      await open(({ options }) => options === undefined);
      // What a port waits for may be made by the leader, which is elected when this is ready.
      this.#ready.resolve();
      await Promise.race([open(({ options }) => options !== undefined), stopped]);
      if (!signal.aborted) this.#served.resolve({ ...this.#addresses });
      await stopped;
    } catch (error) {
      this.#ready.reject(error);
      throw error;
    } finally {
      this.#addresses = {};
      await xds.close({ deadlineMs: closeDeadlineMs });
    }
  }

  waitForReady(signal: AbortSignal): Promise<void> {
    return Promise.race([this.#ready.promise, aborted(signal)]);
  }

  async #open(name: Name, { host, port, options }: XdsPort, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const chosen = await options?.(signal);
    if (signal.aborted) return;
    const { address } = await this.#options.xds.listen(host, port, chosen);
    this.#addresses[name] = address;
  }
}
