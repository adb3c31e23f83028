import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '../../runtime/clock.ts';
import { DirectoryWatches } from './directory-watches.ts';
import { isConfigFile, isLinkSwap, isSkipped } from './file-names.ts';
import { isDirectoryAt, listDirectory, tidyPath } from './list-directory.ts';
import type { FileRank } from './object-registry.ts';
import type { DirtyReason } from './settling-reader.ts';

export interface FileTreeOptions {
  /** Directories and files, in the order in which their objects count. */
  readonly paths: readonly string[];
  readonly clock: Clock;
  /** A file may have come, changed or gone. */
  readonly onDirty: (file: FileRank, reason: DirtyReason) => void;
  /** Something is wrong with a directory or a given path as such; undefined: no more. */
  readonly onProblem: (path: string, message: string | undefined) => void;
}

interface Root {
  readonly index: number;
  readonly path: string;
  readonly isDirectory: boolean;
}

interface Directory {
  readonly root: number;
  readonly realPath: string;
  readonly files: Set<string>;
  readonly directories: Set<string>;
}

/** Several hints that ask for one scan come within this time: a ConfigMap's swap gives a handful. */
const scanDelayMs = 2;

/**
 * Knows the files under the given paths and notices what may have happened to them. It does not look at events for what happened, only
 * for where to look: a scan finds everything that events missed.
 */
export class FileTree {
  readonly #options: FileTreeOptions;
  readonly #roots: Root[] = [];
  readonly #watches = new DirectoryWatches((directory, entry, written) => this.#hint(directory, entry, written));
  readonly #directories = new Map<string, Directory>();
  readonly #scheduled = new Map<string, () => void>();
  #scans: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: FileTreeOptions) {
    this.#options = options;
  }

  /** Watches and lists everything; the files found are in order. Rejects if one of the paths does not exist. */
  async start(): Promise<FileRank[]> {
    for (const [index, given] of this.#options.paths.entries()) {
      const path = tidyPath(given);
      try {
        this.#roots.push({ index, path, isDirectory: (await stat(path)).isDirectory() });
      } catch (cause) {
        throw new Error(`cannot read configuration from ${given}: ${(cause as Error).message}`, { cause });
      }
    }
    const found: FileRank[] = [];
    for (const root of this.#roots) {
      await this.#watches.ensure(dirname(root.path));
      if (root.isDirectory) await this.#scan(root.path, root.index, (file) => found.push(file));
      else if (!found.some((file) => file.path === root.path)) found.push({ root: root.index, path: root.path });
    }
    return found;
  }

  /** Looks at everything again: for what no event told, as on network file systems or behind links that lead elsewhere. */
  async rescan(): Promise<void> {
    for (const root of this.#roots) {
      if (this.#closed) return;
      await this.#watches.ensure(dirname(root.path));
      await this.#look(root);
    }
  }

  /** True if the file was found below a given directory that does not exist now: its files are out of reach rather than removed. */
  async isOutOfReach({ root }: FileRank): Promise<boolean> {
    const { isDirectory, path } = this.#roots[root]!;
    return isDirectory && !(await isDirectoryAt(path));
  }

  /** True for one of the given paths. */
  isRoot(path: string): boolean {
    return this.#roots.some((root) => root.path === path);
  }

  close(): void {
    this.#closed = true;
    for (const cancel of this.#scheduled.values()) cancel();
    this.#scheduled.clear();
    this.#watches.close();
  }

  #hint(directory: string, entry: string | undefined, written: boolean): void {
    if (this.#closed) return;
    for (const root of this.#roots) {
      if (dirname(root.path) === directory && (entry === undefined || entry === basename(root.path))) {
        if (root.isDirectory) this.#scheduleScan(root.path, root.index);
        else this.#options.onDirty({ root: root.index, path: root.path }, written ? 'written' : 'renamed');
      }
    }
    const known = this.#directories.get(directory);
    if (!known) return;
    const path = entry === undefined ? directory : join(directory, entry);
    if (entry === undefined || isLinkSwap(entry)) this.#scheduleScan(directory, known.root);
    else if (known.directories.has(path)) this.#scheduleScan(path, known.root);
    else if (isConfigFile(entry)) {
      known.files.add(path);
      this.#options.onDirty({ root: known.root, path }, written ? 'written' : 'renamed');
    } else if (!written && !isSkipped(entry)) {
      isDirectoryAt(path).then(
        (isNew) => isNew && this.#scheduleScan(path, known.root),
        () => {},
      );
    }
  }

  #scheduleScan(path: string, root: number): void {
    if (this.#closed || this.#scheduled.has(path)) return;
    const cancel = this.#options.clock.setTimer(() => {
      this.#scheduled.delete(path);
      this.#scans = this.#scans.then(() => this.#scan(path, root, (file) => this.#options.onDirty(file, 'scanned')));
    }, scanDelayMs);
    this.#scheduled.set(path, cancel);
  }

  async #look(root: Root): Promise<void> {
    const onFile = (file: FileRank) => this.#options.onDirty(file, 'scanned');
    if (root.isDirectory) await this.#scan(root.path, root.index, onFile);
    else onFile({ root: root.index, path: root.path });
  }

  /** Never rejects. */
  async #scan(path: string, root: number, onFile: (file: FileRank) => void): Promise<void> {
    if (this.#closed) return;
    const isRoot = this.#roots[root]!.path === path;
    const known = this.#directories.get(path);
    if (known && known.root !== root) return;
    const unwatched = await this.#watches.ensure(path);
    const listing = await listDirectory(path);
    if (this.#closed) return;
    if (listing.type === 'gone') {
      if (isRoot)
        this.#options.onProblem(
          path,
          'this directory does not exist any more; what its files defined stays in force until it is back',
        );
      else this.#drop(path);
      return;
    }
    if (listing.type === 'problem') {
      this.#options.onProblem(path, `this directory ${listing.message}; what its files defined stays in force`);
      return;
    }
    if (this.#isAlias(path, listing.realPath)) return;
    this.#options.onProblem(path, unwatched && `this directory cannot be watched, changes are noticed late: ${unwatched}`);
    const files = new Set(listing.files);
    const directories = new Set(listing.directories);
    this.#directories.get(dirname(path))?.directories.add(path);
    this.#directories.set(path, { root, realPath: listing.realPath, files, directories });
    for (const file of files) onFile({ root, path: file });
    for (const file of known?.files ?? []) if (!files.has(file)) this.#options.onDirty({ root, path: file }, 'scanned');
    for (const directory of known?.directories ?? []) if (!directories.has(directory)) this.#drop(directory);
    for (const directory of directories) await this.#scan(directory, root, onFile);
  }

  /** A second way to a directory that is read already, by a link or by overlapping paths. */
  #isAlias(path: string, realPath: string): boolean {
    for (const [other, directory] of this.#directories) if (other !== path && directory.realPath === realPath) return true;
    return false;
  }

  #drop(path: string): void {
    const known = this.#directories.get(path);
    this.#watches.release(path);
    this.#options.onProblem(path, undefined);
    if (!known) return;
    this.#directories.delete(path);
    for (const file of known.files) this.#options.onDirty({ root: known.root, path: file }, 'scanned');
    for (const directory of known.directories) this.#drop(directory);
  }
}
