import type { LoadedDocument } from './load-file.ts';

/** What is read of a claim: the object, and where among the file's documents it is claimed. */
export interface Claimed {
  readonly key: string;
  readonly position: number;
}

/** By broken document, the keys of objects that may be its last good version. */
export type Holds = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * A broken document may not tell whose last good version is to stay: its name cannot be read, or was changed with the same edit.
 * Such a document, when it first appears, keeps whatever the file defined before and lacks now; as long as it stays broken it keeps
 * that. One that was there before the objects went has nothing to do with them and keeps nothing.
 *
 * `claims`: what the file's documents claim by name. `before`: what the file had in force, what it named, and what it held.
 * Returns the places from which the held keys are claimed.
 */
export function claimHolds(
  documents: readonly LoadedDocument[],
  claims: readonly Claimed[],
  before: { readonly owned: ReadonlySet<string>; readonly known: ReadonlySet<string>; readonly holds: Holds },
): { holds: Holds; held: Map<string, { position: number; line: number; column: number }> } {
  const holds = new Map<string, Set<string>>();
  const held = new Map<string, { position: number; line: number; column: number }>();
  const byPosition = new Map(claims.map((claim) => [claim.position, claim]));
  const missing = before.owned.difference(new Set(claims.map((claim) => claim.key)));
  let position = -1;
  for (const { hash, startLine, parsed } of documents) {
    for (const { content, line, column } of parsed.items) {
      position += 1;
      if (content !== undefined) continue;
      const claim = byPosition.get(position);
      const broken = claim ? `object ${claim.key}` : `text ${hash}`;
      const isNew = !claim || !before.known.has(claim.key);
      const keeps = before.holds.get(broken)?.intersection(missing) ?? new Set(isNew ? missing : []);
      holds.set(broken, keeps);
      for (const key of keeps) if (!held.has(key)) held.set(key, { position, line: startLine + line - 1, column });
    }
  }
  return { holds, held };
}
