import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Registry } from 'prom-client';
import { aborted } from '../runtime/abort.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Runnable } from '../runtime/runnable.ts';
import { CertWatcher } from '../runtime/webhook/cert-watcher.ts';
import { CertificateValue, type ServingCertificate } from '../runtime/webhook/certificates.ts';
import { FileFollower } from '../sources/file/file-follower.ts';
import { type Authority, TrustValue } from './authority.ts';
import { advanceSuccession, beginSuccession, certificatesIn, type Succession } from './succession.ts';

/** Files of a mounted Secret, as cert-manager fills one; each in PEM. */
export interface AuthorityFiles {
  readonly certificate: string;
  readonly key: string;
  /** Whom clients are to trust. */
  readonly ca: string;
}

export interface FileAuthorityOptions {
  readonly files: AuthorityFiles;
  /** How long another CA is told of before a certificate of it is shown, and how long the former one is believed after that. */
  readonly overlapMs: number;
  /** Resolves with the bundles that API servers go by as this process begins: what an earlier one has told them. */
  readonly published: (signal: AbortSignal) => Promise<readonly string[]>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: Registry;
}

/** An authority that someone else keeps in files, and what follows them. */
export interface FileAuthority extends Authority {
  readonly parts: readonly Runnable[];
}

/** A timer of months would be one that nobody has tested, in milliseconds. */
const lookAgainMs = 3_600_000;

/**
 * Follows mounted files. Throws, naming the file, if the CA cannot be read now; a later version that is unreadable is logged. Another CA
 * takes effect in steps ({@link advanceSuccession}). There is a trust bundle once it is known whom clients have been told to believe.
 */
export function createFileAuthority(options: FileAuthorityOptions): FileAuthority {
  const { files, clock, logger, registry } = options;
  const watcher = new CertWatcher({ certificateFile: files.certificate, keyFile: files.key, clock, logger, registry });
  const text = readBundle(readFileSync(files.ca, 'utf8'), files.ca);
  const follower = new FileSuccession(watcher, text, options);
  const onChange = (next: string) => {
    try {
      follower.setBundle(readBundle(next, files.ca));
      // Another CA seldom comes alone.
      void watcher.refresh();
    } catch (error) {
      logger.error('The CA cannot be used; the last good one stays', { error, file: files.ca });
    }
  };
  const bundle = new FileFollower({ file: files.ca, text, onChange, clock, logger });
  return { certificates: follower.certificates, trust: follower.trust, parts: [watcher, bundle, follower] };
}

/** Joins what two files say, and time, to what is shown and whom clients are to trust. */
class FileSuccession implements Runnable {
  readonly name = 'authority';
  readonly group = 'server';
  readonly certificates = new CertificateValue();
  readonly trust = new TrustValue();
  readonly #watcher: CertWatcher;
  readonly #options: FileAuthorityOptions;
  #bundle: string;
  #succession: Succession | undefined;
  #saidWaiting: string | undefined;
  #cancel = () => {};

  constructor(watcher: CertWatcher, bundle: string, options: FileAuthorityOptions) {
    this.#watcher = watcher;
    this.#bundle = bundle;
    this.#options = options;
    // What the files have at first is shown at once: there is nothing else.
    watcher.onChange((pair) => (this.#succession ? this.#advance(this.#succession) : this.certificates.set(pair)));
    this.certificates.onChange(({ certificate }) => {
      const { subject, validTo } = new X509Certificate(certificate);
      options.logger.info('Serving a new certificate', { file: options.files.certificate, subject, validTo });
    });
  }

  setBundle(bundle: string): void {
    this.#bundle = bundle;
    if (this.#succession) this.#advance(this.#succession);
  }

  async start(signal: AbortSignal): Promise<void> {
    const { published, clock, overlapMs } = this.#options;
    const told = await published(signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
      return [];
    });
    await this.#watcher.waitForReady(signal);
    const pair = this.#watcher.current;
    if (signal.aborted || !pair) return;
    this.#advance(beginSuccession({ pair, bundle: this.#bundle }, told, { nowMs: clock.now(), overlapMs }));
    await aborted(signal);
    this.#succession = undefined;
    this.#cancel();
  }

  #advance(before: Succession): void {
    const { clock, overlapMs } = this.#options;
    const nowMs = clock.now();
    const texts = { pair: this.#watcher.current!, bundle: this.#bundle };
    const next = advanceSuccession(before, texts, { nowMs, overlapMs });
    this.#succession = next.succession;
    this.trust.set(next.trust);
    this.certificates.set(next.succession.shown);
    this.#tell(texts.pair, next.showsAtMs);
    this.#cancel();
    this.#cancel = clock.setTimer(() => this.#advance(next.succession), Math.min(next.dueAtMs - nowMs, lookAgainMs));
  }

  /** Says once of each certificate that it waits. */
  #tell({ certificate }: ServingCertificate, showsAtMs: number | undefined): void {
    const { logger, files } = this.#options;
    if (showsAtMs === undefined) this.#saidWaiting = undefined;
    if (showsAtMs === undefined || this.#saidWaiting === certificate) return;
    this.#saidWaiting = certificate;
    const from = new Date(showsAtMs).toISOString();
    logger.info('The new certificate is of a CA that clients have yet to hear of; until then the last one is shown', {
      file: files.certificate,
      from,
    });
  }
}

/** Throws unless every certificate of the bundle can be read. */
function readBundle(text: string, file: string): string {
  try {
    certificatesIn(text);
  } catch (cause) {
    throw new Error(`${file}: ${(cause as Error).message}`, { cause });
  }
  return text;
}
