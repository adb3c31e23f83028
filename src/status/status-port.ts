import { aborted } from '../runtime/abort.ts';
import type { Runnable } from '../runtime/runnable.ts';
import type { CertificateSource } from '../runtime/webhook/certificates.ts';
import { type HttpHandler, startHttpServer, type UpgradeHandler } from './http-server.ts';

export interface StatusPortOptions {
  /** For logs. Default `status port`. */
  readonly name?: string;
  /** Which flag chose the address, for errors. Default `--http-bind`. */
  readonly flag?: string;
  readonly bind: { readonly host: string; readonly port: number };
  readonly routes: ReadonlyMap<string, HttpHandler>;
  /** Takes requests for another protocol. */
  readonly upgrade?: UpgradeHandler;
  /** Serve TLS with these, from the first one on. Default: plain HTTP. */
  readonly certificates?: CertificateSource;
}

/** The status and debug port as a part of a manager: it answers from first to last, also about why nothing is served yet. */
export class StatusPort implements Runnable {
  readonly name: string;
  readonly group = 'server';
  readonly #options: StatusPortOptions;
  readonly #listening = Promise.withResolvers<void>();
  #address: string | undefined;

  constructor(options: StatusPortOptions) {
    this.name = options.name ?? 'status port';
    this.#options = options;
    this.#listening.promise.catch(() => {});
  }

  /** `host:port` as bound, IPv6 in brackets; undefined while it does not listen. */
  get address(): string | undefined {
    return this.#address;
  }

  async start(signal: AbortSignal): Promise<void> {
    const { bind, routes, upgrade, certificates, flag = '--http-bind' } = this.#options;
    try {
      if (certificates && !certificates.current) await firstOf(certificates, signal);
      if (signal.aborted) return this.#listening.resolve();
      const server = await startHttpServer(bind.host, bind.port, flag, routes, { upgrade, certificates });
      this.#address = server.address;
      this.#listening.resolve();
      await aborted(signal);
      this.#address = undefined;
      await server.close();
    } catch (error) {
      this.#listening.reject(error);
      throw error;
    }
  }

  waitForReady(signal: AbortSignal): Promise<void> {
    return Promise.race([this.#listening.promise, aborted(signal)]);
  }
}

async function firstOf(certificates: CertificateSource, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const stopWatching = certificates.onChange(resolve);
  await Promise.race([promise, aborted(signal)]);
  stopWatching();
}
