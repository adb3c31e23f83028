import { X509Certificate } from 'node:crypto';

/** A CA as a bundle tells of it. */
export interface ToldCa {
  /** In PEM. */
  readonly certificate: string;
  /** How long it is believed without being anybody's any more, in milliseconds since the epoch; absent: the bundle does not say. */
  readonly untilMs?: number;
}

// RFC 7468, 5.2: what is between the blocks is for people, and parsers pass over it.
const untilText = '# A former CA, believed until ';
const blocks = /(?:^# A former CA, believed until (\S+)\n)?-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/gm;

/** A former CA with the time until which it is believed, to be read again by {@link readTold}. */
export function writeFormer(certificate: string, untilMs: number): string {
  return `${untilText}${new Date(untilMs).toISOString()}\n${certificate}`;
}

/** What bundles in PEM tell, each CA once, with the earliest of its times. What cannot be read counts for nothing. */
export function readTold(...bundles: readonly string[]): ToldCa[] {
  const told = new Map<string, ToldCa>();
  for (const [block, until] of bundles.flatMap((bundle) => [...bundle.matchAll(blocks)])) {
    const certificate = `${until === undefined ? block : block.slice(block.indexOf('\n') + 1)}\n`;
    if (!isReadable(certificate)) continue;
    const times = [told.get(certificate)?.untilMs, Date.parse(until ?? '')].filter((ms) => ms !== undefined && !Number.isNaN(ms));
    told.set(certificate, { certificate, ...(times.length > 0 && { untilMs: Math.min(...(times as number[])) }) });
  }
  return [...told.values()];
}

/** Bundles one behind the other, each in lines of its own. */
export function joinBundles(...bundles: readonly string[]): string {
  return bundles.reduce((text, bundle) => `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${bundle}`, '');
}

function isReadable(certificate: string): boolean {
  try {
    return new X509Certificate(certificate) !== undefined;
  } catch {
    return false;
  }
}
