import { X509Certificate } from 'node:crypto';
import type { ServingCertificate } from '../runtime/webhook/certificates.ts';
import { isIssuedBy } from './certificate.ts';
import { joinBundles, readTold, writeFormer } from './told-bundle.ts';

/** A CA that clients are told to believe. */
interface BelievedCa {
  /** In PEM. */
  readonly certificate: string;
  /** Since when clients have been told of it, in milliseconds since the epoch; -Infinity: since before this process. */
  readonly sinceMs: number;
  /** When the files stopped naming it; absent: they do. */
  readonly goneAtMs?: number;
}

/** Where the succession of certificates in files stands. */
export interface Succession {
  /** What servers show. */
  readonly shown: ServingCertificate;
  /** Since when the files have had another certificate than that; absent: they have not. */
  readonly waitingSinceMs?: number;
  readonly believed: readonly BelievedCa[];
}

/** What the files say: a certificate and its key, and the CAs, in PEM. */
export interface AuthorityTexts {
  readonly pair: ServingCertificate;
  readonly bundle: string;
}

export interface SuccessionOptions {
  readonly nowMs: number;
  /** How long a CA is told of before a certificate of it is shown, and how long one is believed after that. 0: everything at once. */
  readonly overlapMs: number;
}

/** What follows from the files now. */
export interface Succeeded {
  readonly succession: Succession;
  /** Whom clients are to trust: the file as it is, and behind it the CAs that it names no more, with their times. */
  readonly trust: string;
  /** From when on the certificate of the files is shown, in milliseconds since the epoch; undefined: it is. */
  readonly showsAtMs: number | undefined;
  /** When something falls due though no file changes; Infinity: nothing will. */
  readonly dueAtMs: number;
}

/** A certificate that waits is shown this long before the one before it ends, in milliseconds, or after half of what is left. */
const beforeEndMs = 600_000;

/** CAs that are believed although nobody names them any more. */
export const maxFormer = 8;

/** For so many overlaps a former CA is believed: its certificate may be shown for one. */
export const formerOverlaps = 2;

/**
 * Where the succession begins: what the files have is shown.
 * @param published bundles that clients were told of by an earlier process: what of them the files do not name is believed on, until the
 * time that they say
 */
export function beginSuccession(
  texts: AuthorityTexts,
  published: readonly string[],
  { nowMs, overlapMs }: SuccessionOptions,
): Succession {
  const named = certificatesIn(texts.bundle);
  const former = readTold(...published).filter(({ certificate }) => !named.includes(certificate));
  return {
    shown: texts.pair,
    believed: [
      ...named.map((certificate) => ({ certificate, sinceMs: Number.NEGATIVE_INFINITY })),
      ...former.map(({ certificate, untilMs = Number.POSITIVE_INFINITY }) => ({
        ...{ certificate, sinceMs: Number.NEGATIVE_INFINITY },
        goneAtMs: Math.min(nowMs, untilMs - formerOverlaps * overlapMs),
      })),
    ],
  };
}

/**
 * What is to be shown and believed, now that the files say this. A certificate of a CA that clients know already is shown at once. That of
 * another CA waits until clients have known the CA for the overlap; a CA that has gone is believed for two overlaps, and for as long as
 * what is shown is its work.
 */
export function advanceSuccession(before: Succession, texts: AuthorityTexts, { nowMs, overlapMs }: SuccessionOptions): Succeeded {
  const named = certificatesIn(texts.bundle);
  const known = new Map(before.believed.map((each) => [each.certificate, each]));
  const current = named.map((certificate) => ({ certificate, sinceMs: known.get(certificate)?.sinceMs ?? nowMs }));
  const former = before.believed
    .filter(({ certificate }) => !named.includes(certificate))
    .map((each) => ({ ...each, goneAtMs: each.goneAtMs ?? nowMs }));

  const isNew = texts.pair.certificate !== before.shown.certificate || texts.pair.key !== before.shown.key;
  const waitingSinceMs = before.waitingSinceMs ?? nowMs;
  const all = [...current, ...former];
  const showsAtMs = isNew ? showTime(before.shown, texts.pair, all, waitingSinceMs, overlapMs) : nowMs;
  const isWaiting = showsAtMs > nowMs;
  const shown = isWaiting ? before.shown : texts.pair;

  const isNeeded = (ca: BelievedCa) => isOf(shown, ca) && !current.some((other) => isOf(shown, other));
  const forgetMs = ({ goneAtMs }: { readonly goneAtMs: number }) => goneAtMs + formerOverlaps * overlapMs;
  const kept = former
    .filter((ca) => endOf(ca.certificate) > nowMs && (forgetMs(ca) > nowMs || isNeeded(ca)))
    .toSorted((a, b) => b.goneAtMs - a.goneAtMs)
    .slice(0, maxFormer);
  const due = [...kept.map(forgetMs), ...(isWaiting ? [showsAtMs] : [])].filter((atMs) => atMs > nowMs);
  return {
    succession: { shown, believed: [...current, ...kept], ...(isWaiting && { waitingSinceMs }) },
    trust: joinBundles(texts.bundle, ...kept.map((ca) => tell(ca.certificate, forgetMs(ca), nowMs))),
    showsAtMs: isWaiting ? showsAtMs : undefined,
    dueAtMs: Math.min(...due, Number.POSITIVE_INFINITY),
  };
}

/** The certificates of a bundle in PEM. Throws if there is none, or one that cannot be read. */
export function certificatesIn(bundle: string): string[] {
  const blocks = blocksOf(bundle);
  if (blocks.length === 0) throw new Error('no certificate in PEM');
  for (const block of blocks) new X509Certificate(block);
  return blocks;
}

/** Whether whoever trusts a bundle believes this certificate; what of the bundle cannot be read counts for nothing. */
export function isVouchedFor(pair: Pick<ServingCertificate, 'certificate'>, bundle: string): boolean {
  return readTold(bundle).some((ca) => isOf(pair, ca));
}

/** From when on clients believe the next certificate, or have lost the one before. */
function showTime(
  shown: ServingCertificate,
  next: ServingCertificate,
  believed: readonly BelievedCa[],
  waitingSinceMs: number,
  overlapMs: number,
): number {
  // Whoever believed that one did not go by these CAs: there is nothing to wait for.
  if (!believed.some((ca) => isOf(shown, ca))) return Number.NEGATIVE_INFINITY;
  const endMs = endOf(shown.certificate);
  const known = believed.filter((ca) => isOf(next, ca)).map(({ sinceMs }) => sinceMs + overlapMs);
  return Math.min(...known, endMs - Math.min(beforeEndMs, (endMs - waitingSinceMs) / 2));
}

/** Whether a chain of certificates ends at a CA. */
function isOf({ certificate }: Pick<ServingCertificate, 'certificate'>, ca: Pick<BelievedCa, 'certificate'>): boolean {
  const chain = blocksOf(certificate);
  for (let current = chain.shift(); current !== undefined; ) {
    const below = current;
    if (below.trim() === ca.certificate.trim() || isIssuedBy(below, ca.certificate)) return true;
    const at = chain.findIndex((other) => isIssuedBy(below, other));
    current = at < 0 ? undefined : chain.splice(at, 1)[0];
  }
  return false;
}

function blocksOf(text: string): string[] {
  return (text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []).map((block) => `${block}\n`);
}

function endOf(certificate: string): number {
  return new X509Certificate(certificate).validToDate.getTime();
}

/** One that is needed beyond its time has none. */
function tell(certificate: string, untilMs: number, nowMs: number): string {
  return untilMs > nowMs ? writeFormer(certificate, untilMs) : certificate;
}
