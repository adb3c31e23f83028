import type { Cache } from '../../runtime/cache/cache.ts';
import type { Clock } from '../../runtime/clock.ts';
import { systemClock } from '../../runtime/clock.ts';
import { type Logger, silentLogger } from '../../runtime/logger.ts';
import type { Runnable } from '../../runtime/runnable.ts';
import { compareDiagnostics, type Diagnostic } from './diagnostic.ts';
import { defaultMaxFileBytes, FileLoader, type IgnoredKind, type LoadOptions } from './file-loader.ts';
import { FileTree } from './file-tree.ts';
import type { FileRank } from './object-registry.ts';
import { type SettledOutcome, SettlingReader } from './settling-reader.ts';

export interface FileSourceOptions extends LoadOptions {
  /** Directories, read with everything below them, and files. Of two that define the same object, the earlier counts. */
  readonly paths: readonly string[];
  /** Where the objects go: into the stores of `kinds`. */
  readonly cache: Cache;
  /** Called with all that is wrong with a file whenever that has changed; with an empty list when it is in order again. */
  readonly onDiagnostics?: (file: string, diagnostics: readonly Diagnostic[]) => void;
  /** Default: nothing is logged. */
  readonly logger?: Logger;
  /** How long a file that is written in place must be left alone before it is read. Default 30 ms. */
  readonly stabilityMs?: number;
  /** How often everything is looked at again, for changes that the file system does not tell. 0: never. Default 30 s. */
  readonly rescanIntervalMs?: number;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
}

/** Deletes wait for files that are still on their way, but no longer than this. */
const maxDeleteDelayMs = 500;

/** Files of the first list that are read at the same time. */
const readAhead = 32;

/** Reads objects from YAML and JSON files and keeps the cache in step with them. */
export class FileSource implements Runnable {
  readonly name = 'file source';
  readonly group = 'everyReplica';
  readonly #options: FileSourceOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #loader: FileLoader;
  readonly #reader: SettlingReader;
  readonly #tree: FileTree;
  readonly #ranks = new Map<string, FileRank>();
  readonly #diagnostics = new Map<string, readonly Diagnostic[]>();
  /** Problems of paths and directories as such. */
  readonly #pathProblems = new Map<string, string>();
  readonly #outcomes: { rank: FileRank; outcome: SettledOutcome }[] = [];
  #working: Promise<void> | undefined;
  #workWanted = false;
  #synced = false;
  #stopped = false;
  #firstListMs = 0;

  constructor(options: FileSourceOptions) {
    const {
      clock = systemClock,
      logger = silentLogger,
      cache,
      kinds,
      stabilityMs = 30,
      maxFileBytes = defaultMaxFileBytes,
    } = options;
    this.#options = options;
    this.#clock = clock;
    this.#logger = logger;
    this.#loader = new FileLoader(options);
    const onOutcome = (path: string, outcome: SettledOutcome) => this.#take(this.#ranks.get(path)!, outcome);
    // Deletes may have waited for files that turned out to be as they were.
    const onIdle = () => this.#work();
    this.#reader = new SettlingReader({ clock, stabilityMs, maxFileBytes, onOutcome, onIdle });
    this.#tree = new FileTree({
      paths: options.paths,
      clock,
      onDirty: (rank, reason) => {
        this.#ranks.set(rank.path, rank);
        this.#reader.dirty(rank.path, reason);
      },
      onProblem: (path, message) => this.#setPathProblem(path, message),
    });
    for (const kind of kinds) cache.store(kind).claim('a file source');
  }

  /** Everything that is wrong now, by file and line. */
  diagnostics(): Diagnostic[] {
    return [...this.#diagnostics.values()].flat().sort(compareDiagnostics);
  }

  /** Kinds that were found and are not read. */
  ignoredKinds(): IgnoredKind[] {
    return this.#loader.ignoredKinds;
  }

  /** Reads everything into the cache, which is synced then, and follows changes until `signal` aborts. Rejects if a path does not exist. */
  async start(signal: AbortSignal): Promise<void> {
    const stopped = Promise.withResolvers<void>();
    const onAbort = () => stopped.resolve();
    signal.addEventListener('abort', onAbort, { once: true });
    let cancelRescan = () => {};
    try {
      if (signal.aborted) return;
      await this.#readAll(await this.#tree.start(), signal);
      if (signal.aborted) return;
      const rescan = (intervalMs: number) => {
        cancelRescan = this.#clock.setTimer(() => {
          this.#tree.rescan().then(
            () => !signal.aborted && rescan(intervalMs),
            (error) => this.#logger.error('Rescan failed', { error }),
          );
        }, intervalMs);
      };
      const { rescanIntervalMs = 30_000 } = this.#options;
      if (rescanIntervalMs > 0) rescan(rescanIntervalMs);
      await stopped.promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#stopped = true;
      cancelRescan();
      this.#tree.close();
      this.#reader.close();
      this.#outcomes.length = 0;
      await this.#working;
    }
  }

  async #readAll(files: readonly FileRank[], signal: AbortSignal): Promise<void> {
    for (let from = 0; from < files.length && !signal.aborted; from += readAhead) {
      const ranks = files.slice(from, from + readAhead);
      const outcomes = await Promise.all(
        ranks.map((rank) => {
          this.#ranks.set(rank.path, rank);
          return this.#reader.readNow(rank.path);
        }),
      );
      for (const [index, outcome] of outcomes.entries()) {
        // One that changes right now follows as a change.
        if (outcome.type !== 'unstable' && !signal.aborted) await this.#load(ranks[index]!, outcome);
      }
    }
    if (signal.aborted) return;
    // One instant for all: the order of objects that state no time must not depend on that of reading.
    this.#firstListMs = this.#clock.now();
    this.#loader.registry.decide(this.#firstListMs);
    for (const kind of this.#options.kinds) this.#options.cache.store(kind).replace(this.#loader.registry.objects(kind));
    for (const { path } of files) this.#publish(path);
    this.#synced = true;
    this.#work();
  }

  #take(rank: FileRank, outcome: SettledOutcome): void {
    this.#outcomes.push({ rank, outcome });
    this.#work();
  }

  #work(): void {
    this.#workWanted = true;
    if (!this.#synced || this.#working) return;
    this.#working = this.#workOff()
      .catch((error) => this.#logger.error('Reading changed files failed', { error }))
      .finally(() => {
        this.#working = undefined;
        if (this.#workWanted && !this.#stopped) this.#work();
      });
  }

  async #workOff(): Promise<void> {
    while (this.#workWanted && !this.#stopped) {
      this.#workWanted = false;
      // One file after the other, then what they change all at once.
      const touched = new Set<string>();
      for (let next = this.#outcomes.shift(); next; next = this.#outcomes.shift()) {
        touched.add(next.rank.path);
        await this.#load(next.rank, next.outcome);
      }
      if (!this.#stopped) this.#apply(touched);
    }
  }

  #apply(touched: ReadonlySet<string>): void {
    const deletes = this.#reader.idle || this.#reader.pendingForMs > maxDeleteDelayMs;
    const { changes, files } = this.#loader.registry.decide(Math.max(this.#clock.now(), this.#firstListMs + 1), deletes);
    for (const change of changes) {
      const store = this.#options.cache.store(change.kind);
      if (change.type === 'apply') store.apply(change.object);
      else store.delete(change.name);
    }
    for (const file of touched.union(files)) this.#publish(file);
  }

  async #load(rank: FileRank, outcome: SettledOutcome): Promise<void> {
    const { registry } = this.#loader;
    switch (outcome.type) {
      case 'text':
        this.#pathProblems.delete(rank.path);
        for (const ignored of await this.#loader.load(rank, outcome.text)) {
          this.#logger.info('Ignoring objects of a kind that is not read', { ...ignored });
        }
        return;
      case 'problem':
        registry.setProblem(rank, outcome.message);
        return;
      case 'gone':
        if (await this.#tree.isOutOfReach(rank)) return;
        registry.remove(rank.path);
        if (this.#tree.isRoot(rank.path))
          this.#setPathProblem(rank.path, 'this file does not exist any more; what it defined is withdrawn');
        return;
    }
  }

  #setPathProblem(path: string, message: string | undefined): void {
    if (this.#pathProblems.get(path) === message) return;
    if (message === undefined) this.#pathProblems.delete(path);
    else this.#pathProblems.set(path, message);
    this.#publish(path);
  }

  #publish(path: string): void {
    const diagnostics = this.#loader.registry.diagnostics(path);
    const problem = this.#pathProblems.get(path);
    if (problem !== undefined) diagnostics.unshift({ severity: 'error', file: path, line: 1, column: 1, message: problem });
    const before = new Set(this.#diagnostics.get(path)?.map((diagnostic) => JSON.stringify(diagnostic)));
    const added = diagnostics.filter((diagnostic) => !before.has(JSON.stringify(diagnostic)));
    if (added.length === 0 && diagnostics.length === before.size) return;
    if (diagnostics.length > 0) this.#diagnostics.set(path, diagnostics);
    else this.#diagnostics.delete(path);
    for (const { severity, message, ...where } of added) {
      if (severity === 'error') this.#logger.error('Configuration error', { ...where, problem: message });
      else this.#logger.warn('Configuration warning', { ...where, problem: message });
    }
    this.#options.onDiagnostics?.(path, diagnostics);
  }
}
