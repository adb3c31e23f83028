import { stat } from 'node:fs/promises';
import type { DeepReadonly, KubernetesObject } from '../../runtime/object.ts';
import { compareDiagnostics, type Diagnostic } from './diagnostic.ts';
import { defaultMaxFileBytes, FileLoader, type IgnoredKind, type LoadOptions } from './file-loader.ts';
import { listDirectory, tidyPath } from './list-directory.ts';
import type { FileRank } from './object-registry.ts';
import { readText } from './read-text.ts';

/** What files say, read once. */
export interface LoadedPaths {
  /** Objects without errors, of all kinds. */
  readonly objects: readonly DeepReadonly<KubernetesObject>[];
  /** By file and line; empty if nothing is wrong. */
  readonly diagnostics: readonly Diagnostic[];
  readonly ignoredKinds: readonly IgnoredKind[];
  /** Every file that was read, in order. */
  readonly files: readonly string[];
}

/** Reads files and directories once, by the same rules as the source that watches them. Never rejects: what cannot be read is a diagnostic. */
export async function loadPaths(paths: readonly string[], options: LoadOptions): Promise<LoadedPaths> {
  const loader = new FileLoader(options);
  const diagnostics: Diagnostic[] = [];
  const problem = (file: string, message: string) => diagnostics.push({ severity: 'error', file, line: 1, column: 1, message });
  const files = await findFiles(paths, problem);
  for (const rank of files) {
    const outcome = await readText(rank.path, options.maxFileBytes ?? defaultMaxFileBytes);
    if (outcome.type === 'text') await loader.load(rank, outcome.text);
    else
      problem(
        rank.path,
        outcome.type === 'problem'
          ? outcome.message
          : outcome.type === 'gone'
            ? 'vanished while it was to be read'
            : 'changes while it is read',
      );
  }
  loader.registry.decide(Date.now());
  for (const { path } of files) diagnostics.push(...loader.registry.diagnostics(path));
  return {
    objects: options.kinds.flatMap((kind) => loader.registry.objects(kind)),
    diagnostics: diagnostics.sort(compareDiagnostics),
    ignoredKinds: loader.ignoredKinds,
    files: files.map((file) => file.path),
  };
}

async function findFiles(paths: readonly string[], problem: (path: string, message: string) => void): Promise<FileRank[]> {
  const files = new Map<string, FileRank>();
  const visited = new Set<string>();
  const add = (root: number, path: string) => files.has(path) || files.set(path, { root, path });
  const walk = async (root: number, path: string): Promise<void> => {
    const listing = await listDirectory(path);
    if (listing.type !== 'listed') return void problem(path, listing.type === 'gone' ? 'does not exist' : listing.message);
    if (visited.has(listing.realPath)) return;
    visited.add(listing.realPath);
    for (const file of listing.files) add(root, file);
    for (const directory of listing.directories) await walk(root, directory);
  };
  for (const [root, given] of paths.entries()) {
    const path = tidyPath(given);
    const stats = await stat(path).catch(() => undefined);
    if (!stats) problem(given, 'does not exist');
    else if (stats.isDirectory()) await walk(root, path);
    else add(root, path);
  }
  return [...files.values()];
}
