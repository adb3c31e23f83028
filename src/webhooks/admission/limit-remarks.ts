/**
 * How many warnings one answer holds, and how long each may be, in characters. Of more than 4096 in all, API servers cut every one down to
 * 256 (apiserver/pkg/endpoints/filters/warning.go).
 */
const maxWarnings = 10;
const maxWarningLength = 384;

/** How long the reason of a refusal may be, which ends up on someone's terminal. */
const maxReasonLength = 4096;

/**
 * As many warnings as one answer of a webhook takes; in the place of the others a last one that counts them.
 * @param lister the command that tells all
 */
export function limitWarnings(warnings: readonly string[], lister: string): string[] {
  const shown = warnings.slice(0, maxWarnings).map((text) => cut(text, maxWarningLength));
  const left = warnings.length - shown.length;
  return left > 0 ? [...shown, `${left} more warning${left === 1 ? '' : 's'}; ${lister} lists all`] : shown;
}

/** A refusal's reason, cut where it is too long to be read. */
export function limitReason(text: string): string {
  return cut(text, maxReasonLength);
}

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}
