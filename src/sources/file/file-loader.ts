import type { ResourceKind } from '../../runtime/resource-kind.ts';
import { TurnBudget } from '../../runtime/turn-budget.ts';
import type { Validate } from './diagnostic.ts';
import { KindIndex } from './kind-index.ts';
import { loadFileSteps } from './load-file.ts';
import { type FileRank, ObjectRegistry } from './object-registry.ts';
import type { ParseOptions } from './parse-document.ts';

/** What is read of files, and how. */
export interface LoadOptions {
  /** Kinds that are read; others are ignored with one notice for each. */
  readonly kinds: readonly ResourceKind[];
  readonly validate: Validate;
  /** Namespace of objects that state none. Default `default`. */
  readonly defaultNamespace?: string;
  /**
   * Objects with errors in their spec are delivered all the same, with diagnostics: for readers that judge each version themselves
   * and keep the last good one in force. Default false: the source keeps the last good version.
   */
  readonly deliversInvalid?: boolean;
  /** Largest file that is read, in bytes. Default 8 MiB. */
  readonly maxFileBytes?: number;
}

/** A kind that is not read, with the first object of it that was found. */
export interface IgnoredKind {
  readonly apiVersion: string;
  readonly kind: string;
  readonly file: string;
  readonly line: number;
}

export const defaultMaxFileBytes = 8 * 1024 * 1024;

/** Brings texts of files into a registry, without ever holding up the rest of the process for long. */
export class FileLoader {
  readonly registry = new ObjectRegistry();
  readonly #options: ParseOptions;
  readonly #ignored = new Map<string, IgnoredKind>();
  readonly #budget = new TurnBudget();

  constructor({ kinds, validate, defaultNamespace = 'default', deliversInvalid = false }: LoadOptions) {
    this.#options = { kinds: new KindIndex(kinds), validate, defaultNamespace, deliversInvalid };
  }

  /** Kinds that were found and are not read. */
  get ignoredKinds(): IgnoredKind[] {
    return [...this.#ignored.values()];
  }

  /** Reads the text of a file. Returns the kinds that it is the first to show and that are not read. */
  async load(rank: FileRank, text: string): Promise<IgnoredKind[]> {
    const steps = loadFileSteps(rank.path, text, this.#options, this.registry.documents(rank.path));
    let step = steps.next();
    for (; !step.done; step = steps.next()) if (this.#budget.spent) await this.#budget.yield();
    this.registry.setDocuments(rank, step.value);
    const found: IgnoredKind[] = [];
    for (const { startLine, parsed } of step.value) {
      for (const { apiVersion, kind, line } of parsed.ignored) {
        const key = `${apiVersion.split('/').slice(0, -1).join('/')}/${kind}`;
        if (this.#ignored.has(key)) continue;
        const ignored = { apiVersion, kind, file: rank.path, line: startLine + line - 1 };
        this.#ignored.set(key, ignored);
        found.push(ignored);
      }
    }
    return found;
  }
}
