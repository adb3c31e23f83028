import type { DeepReadonly, KubernetesObject, ObjectName } from '../../runtime/object.ts';
import type { ResourceKind } from '../../runtime/resource-kind.ts';
import { type Content, uidOf } from './content.ts';
import { compareDiagnostics, type Diagnostic } from './diagnostic.ts';
import { claimHolds, type Holds } from './holds.ts';
import type { LoadedDocument } from './load-file.ts';

/** What became of an object. */
export type ObjectChange =
  | { readonly type: 'apply'; readonly kind: ResourceKind; readonly object: DeepReadonly<KubernetesObject> }
  | { readonly type: 'delete'; readonly kind: ResourceKind; readonly name: ObjectName };

/** What {@link ObjectRegistry.decide} settled. */
export interface Decision {
  readonly changes: readonly ObjectChange[];
  /** Files whose diagnostics may be others now, besides those that were read. */
  readonly files: ReadonlySet<string>;
}

/** Where a file stands among all: by the path it was found under, in the order in which those were given, then by its own path. */
export interface FileRank {
  readonly root: number;
  readonly path: string;
}

/** That a document of a file is to define an object. */
export interface Claim {
  readonly key: string;
  readonly kind: ResourceKind;
  readonly namespace: string;
  readonly name: string;
  readonly file: FileState;
  readonly position: number;
  readonly line: number;
  readonly column: number;
  /** Absent if the document has errors. */
  readonly content: Content | undefined;
  /** Without content: it is the next version of the document that was in force, which therefore stays so. */
  readonly standsIn: boolean;
}

/** A file as the registry knows it. */
export interface FileState {
  readonly rank: FileRank;
  documents: readonly LoadedDocument[];
  claims: readonly Claim[];
  /** Objects kept for broken documents that do not tell what they are. */
  holds: Holds;
  /** Why the file could not be read; its documents are those of before. */
  problem: string | undefined;
}

interface InForce {
  readonly object: DeepReadonly<KubernetesObject>;
  readonly kind: ResourceKind;
  readonly content: Content;
  readonly firstSeenMs: number;
  /** Whose claim it is; without content if that is in force from before. */
  readonly owner: Claim;
}

/**
 * Decides which objects the files' documents amount to. The first document of an object by file and position counts, others are
 * told where it is; one with errors leaves in force what was in force before.
 */
export class ObjectRegistry {
  readonly #files = new Map<string, FileState>();
  readonly #claims = new Map<string, Claim[]>();
  readonly #inForce = new Map<string, InForce>();
  readonly #undecided = new Set<string>();

  /** The documents of a file as last read; empty for a file that is not known. */
  documents(path: string): readonly LoadedDocument[] {
    return this.#files.get(path)?.documents ?? [];
  }

  has(path: string): boolean {
    return this.#files.has(path);
  }

  /** Paths of all known files in their order. */
  paths(): string[] {
    return [...this.#files.values()].sort((a, b) => compareRanks(a.rank, b.rank)).map((file) => file.rank.path);
  }

  /** The file was read. Takes effect with {@link decide}. */
  setDocuments(rank: FileRank, documents: readonly LoadedDocument[]): void {
    const file = this.#file(rank);
    const owned = new Set(
      file.claims.filter((claim) => this.#inForce.get(claim.key)?.owner.file === file).map((claim) => claim.key),
    );
    const claims = this.#claimsOf(file, documents, owned);
    const known = new Set(file.claims.map((claim) => claim.key));
    const { holds, held } = claimHolds(documents, claims, { owned, known, holds: file.holds });
    for (const [key, place] of held) {
      claims.push({ ...this.#inForce.get(key)!.owner, ...place, file, content: undefined, standsIn: true });
    }
    file.documents = documents;
    file.holds = holds;
    file.problem = undefined;
    this.#setClaims(file, claims);
  }

  /** The file could not be read: what it said before stays. */
  setProblem(rank: FileRank, message: string): void {
    this.#file(rank).problem = message;
  }

  /** The file is gone. Takes effect with {@link decide}. */
  remove(path: string): void {
    const file = this.#files.get(path);
    if (!file) return;
    this.#setClaims(file, []);
    this.#files.delete(path);
  }

  /**
   * Settles what the latest files change. `nowMs`: when objects that are new were first seen. Without `deletes`, objects that would go
   * stay for a later call: a document that moves from one file to another must not vanish between the reading of the two.
   */
  decide(nowMs: number, deletes = true): Decision {
    const changes: ObjectChange[] = [];
    const files = new Set<string>();
    for (const key of this.#undecided) {
      for (const { file } of this.#claims.get(key) ?? []) files.add(file.rank.path);
      const present = this.#inForce.get(key);
      const owner = this.#ownerOf(key, present);
      if (owner === undefined) {
        if (!deletes && present) continue;
        if (present) changes.push({ type: 'delete', kind: present.kind, name: keyName(present.owner) });
        this.#inForce.delete(key);
      } else if (owner.content === undefined) {
        this.#inForce.set(key, { ...present!, owner });
      } else {
        const next = inForceOf(owner, owner.content, present, nowMs);
        this.#inForce.set(key, next);
        if (next.object !== present?.object) changes.push({ type: 'apply', kind: next.kind, object: next.object });
      }
      this.#undecided.delete(key);
    }
    return { changes, files };
  }

  /** Everything in force. */
  objects(kind: ResourceKind): DeepReadonly<KubernetesObject>[] {
    return [...this.#inForce.values()].filter((entry) => entry.kind === kind).map((entry) => entry.object);
  }

  /** What is wrong with the file now, by line. */
  diagnostics(path: string): Diagnostic[] {
    const file = this.#files.get(path);
    if (!file) return [];
    const diagnostics: Diagnostic[] = [];
    if (file.problem !== undefined)
      diagnostics.push({ severity: 'error', file: path, line: 1, column: 1, message: file.problem });
    for (const { startLine, parsed } of file.documents) {
      for (const item of parsed.items) {
        const who = { kind: item.kind?.kind, namespace: item.namespace, name: item.name };
        for (const { line, ...problem } of item.problems)
          diagnostics.push({ file: path, ...who, ...problem, line: startLine + line - 1 });
      }
    }
    for (const claim of file.claims) diagnostics.push(...this.#claimDiagnostics(claim));
    return diagnostics.sort(compareDiagnostics);
  }

  #claimDiagnostics(claim: Claim): Diagnostic[] {
    const { kind, namespace, name, line, column, file } = claim;
    const at = { file: file.rank.path, line, column, kind: kind.kind, namespace, name };
    const owner = this.#inForce.get(claim.key)?.owner;
    if (claim === owner) {
      const message = 'the version from before the errors stays in force';
      return claim.content ? [] : [{ ...at, severity: 'warning', message }];
    }
    if (!claim.content || !owner) return [];
    return [
      { ...at, severity: 'error', message: `is defined already at ${owner.file.rank.path}:${owner.line}; that one counts` },
    ];
  }

  #file(rank: FileRank): FileState {
    let file = this.#files.get(rank.path);
    if (!file) {
      file = { rank, documents: [], claims: [], holds: new Map(), problem: undefined };
      this.#files.set(rank.path, file);
    }
    return file;
  }

  #claimsOf(file: FileState, documents: readonly LoadedDocument[], owned: ReadonlySet<string>): Claim[] {
    const claims: Claim[] = [];
    const counts = new Map<string, number>();
    let position = -1;
    for (const { startLine, parsed } of documents) {
      for (const { kind, namespace = '', name, content, line, column } of parsed.items) {
        position += 1;
        if (!kind || name === undefined) continue;
        const key = `${kind.group}/${kind.kind}/${namespace}/${name}`;
        const nth = counts.get(key) ?? 0;
        counts.set(key, nth + 1);
        const standsIn = content === undefined && owned.has(key) && nth === this.#ownerIndex(file, key);
        claims.push({ key, kind, namespace, name, file, position, line: startLine + line - 1, column, content, standsIn });
      }
    }
    return claims;
  }

  /** Which of the file's documents of that key is in force, should it define it more than once. */
  #ownerIndex(file: FileState, key: string): number {
    const owner = this.#inForce.get(key)?.owner;
    return owner ? file.claims.filter((claim) => claim.key === key).indexOf(owner) : -1;
  }

  #setClaims(file: FileState, claims: readonly Claim[]): void {
    for (const { key } of file.claims) {
      const others = this.#claims.get(key)?.filter((claim) => claim.file !== file) ?? [];
      if (others.length > 0) this.#claims.set(key, others);
      else this.#claims.delete(key);
      this.#undecided.add(key);
    }
    for (const claim of claims) {
      const all = this.#claims.get(claim.key);
      if (all) all.push(claim);
      else this.#claims.set(claim.key, [claim]);
      this.#undecided.add(claim.key);
    }
    file.claims = claims;
  }

  /** The first claim that can say something: with content, or for the file whose object is in force. */
  #ownerOf(key: string, present: InForce | undefined): Claim | undefined {
    const claims = this.#claims.get(key) ?? [];
    if (claims.length > 1) claims.sort(compareClaims);
    return (
      claims.find((claim) => claim.content !== undefined || (claim.standsIn && present?.owner.file === claim.file)) ??
      (present && claims[0])
    );
  }
}

function inForceOf(owner: Claim, content: Content, present: InForce | undefined, nowMs: number): InForce {
  const { kind, namespace, name } = owner;
  if (present?.content.contentHash === content.contentHash) return { ...present, owner };
  const firstSeenMs = present?.firstSeenMs ?? nowMs;
  const sameSpec = present?.content.specHash === content.specHash;
  const generation = (present?.object.metadata.generation ?? 0) + (sameSpec ? 0 : 1);
  const { metadata } = content.object;
  const object = {
    ...content.object,
    metadata: {
      ...metadata,
      uid: present?.object.metadata.uid ?? uidOf(kind, namespace, name),
      // The generation is part of it: a spec that goes back to what it was must not look like the object of back then.
      resourceVersion: `${content.contentHash}.${generation}`,
      generation,
      creationTimestamp: metadata.creationTimestamp ?? new Date(firstSeenMs).toISOString(),
    },
  };
  return { kind, content, firstSeenMs, owner, object };
}

function keyName({ namespace, name }: Claim): ObjectName {
  return namespace === '' ? name : `${namespace}/${name}`;
}

function compareRanks(a: FileRank, b: FileRank): number {
  if (a.root !== b.root) return a.root - b.root;
  return a.path === b.path ? 0 : a.path < b.path ? -1 : 1;
}

function compareClaims(a: Claim, b: Claim): number {
  return compareRanks(a.file.rank, b.file.rank) || a.position - b.position;
}
