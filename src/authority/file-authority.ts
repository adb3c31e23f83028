import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Registry } from 'prom-client';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Runnable } from '../runtime/runnable.ts';
import { CertWatcher } from '../runtime/webhook/cert-watcher.ts';
import { FileFollower } from '../sources/file/file-follower.ts';
import { type Authority, TrustValue } from './authority.ts';

/** Files of a mounted Secret, as cert-manager fills one; each in PEM. */
export interface AuthorityFiles {
  readonly certificate: string;
  readonly key: string;
  /** Whom clients are to trust. */
  readonly ca: string;
}

export interface FileAuthorityOptions {
  readonly files: AuthorityFiles;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: Registry;
}

/** An authority that someone else keeps in files, and what follows them. */
export interface FileAuthority extends Authority {
  readonly parts: readonly Runnable[];
}

/** Follows mounted files. Throws, naming the file, if the CA cannot be read now; a later version that is unreadable is logged. */
export function createFileAuthority({ files, clock, logger, registry }: FileAuthorityOptions): FileAuthority {
  const certificates = new CertWatcher({ certificateFile: files.certificate, keyFile: files.key, clock, logger, registry });
  const trust = new TrustValue();
  const text = readBundle(readFileSync(files.ca, 'utf8'), files.ca);
  trust.set(text);
  const onChange = (next: string) => {
    try {
      trust.set(readBundle(next, files.ca));
    } catch (error) {
      logger.error('The CA cannot be used; the last good one stays', { error, file: files.ca });
    }
  };
  return { certificates, trust, parts: [certificates, new FileFollower({ file: files.ca, text, onChange, clock, logger })] };
}

/** Throws unless every certificate of the bundle can be read. */
function readBundle(text: string, file: string): string {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw new Error(`${file} holds no certificate in PEM`);
  for (const block of blocks) new X509Certificate(block);
  return text;
}
