import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Counter, type Registry } from 'prom-client';
import { aborted, sleep } from '../abort.ts';
import { type Clock, systemClock } from '../clock.ts';
import { type Logger, silentLogger } from '../logger.ts';
import type { Runnable } from '../runnable.ts';
import { type CertificateSource, CertificateValue, type ServingCertificate } from './certificates.ts';

export interface CertWatcherOptions {
  /** In PEM. */
  readonly certificateFile: string;
  /** In PEM. */
  readonly keyFile: string;
  /** How often the files are read. Default 10 s, as in controller-runtime. */
  readonly intervalMs?: number;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
  /** Default: nothing is logged. */
  readonly logger?: Logger;
  /** Where metrics are registered. Default: none are kept. */
  readonly registry?: Registry;
}

/**
 * The certificate in two files that change under it: a mounted Secret. It reads them again and again rather than watching them,
 * which works on every file system. A pair that is unreadable or half replaced is logged, and the last good one stays.
 */
export class CertWatcher implements CertificateSource, Runnable {
  readonly name = 'certificate watcher';
  /** Before the webhook server, which needs the first certificate. */
  readonly group = 'server';
  readonly #options: CertWatcherOptions;
  readonly #value = new CertificateValue();
  readonly #first = Promise.withResolvers<void>();
  readonly #reads: Counter | undefined;
  readonly #errors: Counter | undefined;

  constructor(options: CertWatcherOptions) {
    this.#options = options;
    this.#first.promise.catch(() => {});
    const counter = (name: string, help: string) =>
      options.registry &&
      ((options.registry.getSingleMetric(name) as Counter | undefined) ??
        new Counter({ name, help, registers: [options.registry] }));
    this.#reads = counter('certwatcher_read_certificate_total', 'Reads of a certificate');
    this.#errors = counter('certwatcher_read_certificate_errors_total', 'Reads of a certificate that failed');
  }

  get current(): ServingCertificate | undefined {
    return this.#value.current;
  }

  onChange(listener: (certificate: ServingCertificate) => void): () => void {
    return this.#value.onChange(listener);
  }

  /** As {@link Runnable.start}. Rejects if the files cannot be used at the start. */
  async start(signal: AbortSignal): Promise<void> {
    const { intervalMs = 10_000, clock = systemClock } = this.#options;
    try {
      await this.#read();
      this.#first.resolve();
    } catch (error) {
      this.#first.reject(error);
      throw error;
    }
    while (!signal.aborted) {
      await sleep(clock, intervalMs, signal);
      if (!signal.aborted) await this.refresh();
    }
  }

  /** Reads the files now: something else says that they have changed. Never rejects. */
  async refresh(): Promise<void> {
    const { logger = silentLogger, certificateFile } = this.#options;
    try {
      await this.#read();
    } catch (error) {
      logger.error('Certificate not read, the last one stays', { error, certificateFile });
    }
  }

  /** Resolves when the first certificate is there. */
  async waitForReady(signal: AbortSignal): Promise<void> {
    await Promise.race([this.#first.promise, aborted(signal)]);
  }

  async #read(): Promise<void> {
    const { certificateFile, keyFile, logger = silentLogger } = this.#options;
    this.#reads?.inc();
    try {
      const [certificate, key] = await Promise.all([readFile(certificateFile, 'utf8'), readFile(keyFile, 'utf8')]);
      const before = this.current;
      this.#value.set({ certificate, key });
      if (this.current !== before) logger.info('A new certificate was read', { certificateFile, ...describe(certificate) });
    } catch (cause) {
      this.#errors?.inc();
      throw new Error(`cannot use ${certificateFile} with ${keyFile}: ${(cause as Error).message}`, { cause });
    }
  }
}

function describe(pem: string): { subject: string; validTo: string } {
  const { subject, validTo } = new X509Certificate(pem);
  return { subject, validTo };
}
