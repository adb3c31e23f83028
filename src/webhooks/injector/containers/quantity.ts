/** A quantity of Kubernetes: digits, and a suffix of powers of 1000 or of 1024, or an exponent. */
const form = /^([+-]?)(\d*)(?:\.(\d*))?(?:([KMGTPE]i|[numkMGTPE])|[eE]([+-]?\d+))?$/;
const decimalPowers: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
const binaryPowers = 'KMGTPE';

/** No exponent that anybody means is beyond it, and none makes a number of more digits than fit. */
const greatestExponent = 100;

/**
 * Whether one quantity is more than another: `2` than `1500m`, `1Gi` than `1000M`. False where one of them is none; whoever asks has
 * others to say so.
 */
export function isMore(quantity: string | number, than: string | number): boolean {
  const [left, right] = [scaled(String(quantity)), scaled(String(than))];
  return left !== undefined && right !== undefined && left > right;
}

/** The quantity times a power of ten that makes a whole number of each. */
function scaled(text: string): bigint | undefined {
  const match = text.length <= 64 ? form.exec(text) : null;
  if (!match) return undefined;
  const [, sign, whole = '', fraction = '', suffix = '', exponent] = match;
  if (whole === '' && fraction === '') return undefined;
  const binary = suffix.endsWith('i') ? binaryPowers.indexOf(suffix[0]!) + 1 : 0;
  const asked = exponent === undefined ? (binary ? 0 : (decimalPowers[suffix] ?? 0)) : Number(exponent);
  const power = Math.max(-greatestExponent, Math.min(greatestExponent, asked));
  const value =
    BigInt(whole + fraction) * 1024n ** BigInt(binary) * 10n ** BigInt(2 * greatestExponent + power - fraction.length);
  return sign === '-' ? -value : value;
}
