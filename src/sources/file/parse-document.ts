import { type Document, LineCounter, parseDocument as parseYaml, type ScalarTag, visit } from 'yaml';
import type { MeshKind } from '../../api/kind.ts';
import { pruneNulls } from '../../api/prune-nulls.ts';
import type { ResourceKind } from '../../runtime/resource-kind.ts';
import { checkMetadata } from './check-metadata.ts';
import { type Content, contentOf } from './content.ts';
import type { Validate } from './diagnostic.ts';
import { formatFindingPath } from './finding-path.ts';
import { guessIdentity, type Identity, identityOf, isRecord } from './identify.ts';
import type { KindIndex } from './kind-index.ts';
import { locate } from './locate.ts';

/** A problem at a place of its document. */
export interface Problem {
  readonly severity: 'error' | 'warning';
  /** Line of the document, from 1. */
  readonly line: number;
  readonly column: number;
  readonly path?: string;
  readonly message: string;
}

/** One object of a document: its only one, or an entry of a List. */
export interface ParsedItem {
  /** Where its name stands, or else where it begins. */
  readonly line: number;
  readonly column: number;
  /** Undefined if the document does not tell, or is not of any kind that is read. */
  readonly kind?: ResourceKind;
  readonly namespace?: string;
  readonly name?: string;
  /** Absent if the item has errors: then it is not in force. */
  readonly content?: Content;
  readonly problems: readonly Problem[];
}

/** An object of a kind that is not read. */
export interface IgnoredObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly line: number;
}

export interface ParsedDocument {
  readonly items: readonly ParsedItem[];
  readonly ignored: readonly IgnoredObject[];
}

export interface ParseOptions {
  readonly kinds: KindIndex;
  readonly validate: Validate;
  readonly defaultNamespace: string;
  /** Objects that {@link validate} finds errors in have content all the same: their reader judges them itself. Default false. */
  readonly deliversInvalid?: boolean;
}

/** The booleans of YAML 1.1 that Kubernetes' own reader takes, besides true and false. */
const yaml11Booleans: ScalarTag = {
  tag: 'tag:yaml.org,2002:bool',
  default: true,
  test: /^(?:yes|Yes|YES|on|On|ON|no|No|NO|off|Off|OFF)$/,
  resolve: (text) => /^(?:yes|on)$/i.test(text),
};

/** Reads one document of one or several objects. Never throws: whatever is wrong with the text is a problem of an item. */
export function parseDocument(text: string, options: ParseOptions): ParsedDocument {
  try {
    return new DocumentReader(text, options).read();
  } catch (error) {
    // Nesting deeper than the stack, or an alias bomb.
    const problem: Problem = { severity: 'error', line: 1, column: 1, message: `cannot be read: ${messageOf(error)}` };
    return { items: [failedItem(problem, options, guessIdentity(text))], ignored: [] };
  }
}

function failedItem(problem: Problem, { kinds, defaultNamespace }: ParseOptions, identity: Identity | undefined): ParsedItem {
  const item = { line: problem.line, column: problem.column, problems: [problem] };
  const kind = identity && kinds.find(identity.apiVersion, identity.kind);
  return kind ? { ...item, kind, namespace: namespaceOf(kind, identity.namespace, defaultNamespace), name: identity.name } : item;
}

function namespaceOf(kind: ResourceKind, namespace: unknown, defaultNamespace: string): string {
  if (kind.scope === 'Cluster') return '';
  return typeof namespace === 'string' && namespace !== '' ? namespace : defaultNamespace;
}

class DocumentReader {
  readonly #text: string;
  readonly #options: ParseOptions;
  readonly #lines = new LineCounter();
  readonly #document: Document;
  readonly #items: ParsedItem[] = [];
  readonly #ignored: IgnoredObject[] = [];

  constructor(text: string, options: ParseOptions) {
    this.#text = text;
    this.#options = options;
    this.#document = parseYaml(text, {
      lineCounter: this.#lines,
      prettyErrors: false,
      merge: true,
      customTags: (tags) => [...tags, yaml11Booleans],
      logLevel: 'silent',
    }) as Document;
  }

  read(): ParsedDocument {
    const { errors, warnings } = this.#document;
    if (errors.length > 0) {
      return this.#broken(errors.map((error) => this.#problemAt('error', error.pos[0], `YAML: ${error.message}`)));
    }
    let value: unknown;
    try {
      value = this.#document.toJS();
    } catch (error) {
      return this.#broken([this.#problemAt('error', this.#unresolvedAlias(), `YAML: ${messageOf(error)}`)]);
    }
    if (value === null || value === undefined) return { items: [], ignored: [] };
    this.#readValue(value);
    if (warnings.length > 0 && this.#items[0]) {
      const problems = warnings.map((warning) => this.#problemAt('warning', warning.pos[0], `YAML: ${warning.message}`));
      this.#items[0] = { ...this.#items[0], problems: [...problems, ...this.#items[0].problems] };
    }
    // Copies are as long as they need to be; lists that grew have room for sixteen.
    return { items: [...this.#items], ignored: [...this.#ignored] };
  }

  #broken(problems: readonly Problem[]): ParsedDocument {
    const identity = identityOf(this.#tryValue()) ?? guessIdentity(this.#text);
    return { items: [{ ...failedItem(problems[0]!, this.#options, identity), problems }], ignored: [] };
  }

  /** Offset of the first alias without an anchor; 0 if there is none. */
  #unresolvedAlias(): number {
    let offset = 0;
    visit(this.#document, {
      Alias: (_key, alias) => {
        if (alias.resolve(this.#document)) return undefined;
        offset = alias.range?.[0] ?? 0;
        return visit.BREAK;
      },
    });
    return offset;
  }

  #readValue(value: unknown): void {
    if (isRecord(value) && typeof value.kind === 'string' && /List$/.test(value.kind) && Array.isArray(value.items)) {
      for (const [index, entry] of value.items.entries()) this.#readObject(entry, ['items', index]);
    } else {
      this.#readObject(value, []);
    }
  }

  #readObject(value: unknown, base: readonly (string | number)[]): void {
    if (!isRecord(value)) {
      this.#refuse(
        base,
        [],
        `is not a Kubernetes object: expected a map with apiVersion, kind and metadata, found ${nameOf(value)}`,
      );
      return;
    }
    const { apiVersion, kind: kindName } = value;
    for (const [field, content] of Object.entries({ apiVersion, kind: kindName })) {
      if (typeof content === 'string' && content !== '') continue;
      this.#refuse(base, [field], 'is required, as a string: every document must be a Kubernetes object');
      return;
    }
    const kind = this.#options.kinds.find(apiVersion as string, kindName as string);
    if (!kind) {
      const { line } = this.#position(base, true);
      // Through JSON: strings that do not hold on to the text of the file.
      this.#ignored.push(JSON.parse(JSON.stringify({ apiVersion, kind: kindName, line })));
      return;
    }
    const { specSchema } = kind as Partial<MeshKind>;
    if (specSchema) pruneNulls(specSchema, value.spec);
    const problems = this.#check(kind, value, base);
    const metadata = isRecord(value.metadata) ? value.metadata : {};
    const named = typeof metadata.name === 'string';
    const failed = problems.some(
      ({ severity, path }) => severity === 'error' && !(this.#options.deliversInvalid && isOfSpec(path, base)),
    );
    const content = failed ? undefined : contentOf(kind, value, this.#options.defaultNamespace);
    this.#items.push({
      ...this.#position(named ? [...base, 'metadata', 'name'] : base, false),
      kind,
      namespace: content?.object.metadata.namespace ?? namespaceOf(kind, metadata.namespace, this.#options.defaultNamespace),
      name: content?.object.metadata.name ?? (named ? (metadata.name as string) : undefined),
      content,
      problems,
    });
  }

  #check(kind: ResourceKind, value: Record<string, unknown>, base: readonly (string | number)[]): Problem[] {
    const { kinds, validate } = this.#options;
    const apiVersion = value.apiVersion as string;
    if (!kinds.serves(kind, apiVersion)) {
      const served = kind.servedVersions.map((version) => (kind.group ? `${kind.group}/${version}` : version)).join(', ');
      const message = `"${apiVersion}" is not a version of ${kind.kind} that is read; use one of ${served}`;
      return [this.#problem('error', base, ['apiVersion'], message)];
    }
    const problems = checkMetadata(value.metadata, kind.scope).map(({ segments, message }) =>
      this.#problem('error', base, segments, message),
    );
    const seen = new Set(problems.map((problem) => problem.path));
    for (const { severity, segments, message } of validate(kind, value)) {
      const problem = this.#problem(severity, base, segments, message);
      if (!seen.has(problem.path) || segments[0] !== 'metadata') problems.push(problem);
    }
    return problems;
  }

  #refuse(base: readonly (string | number)[], segments: readonly (string | number)[], message: string): void {
    this.#items.push({ ...this.#position(base, true), problems: [this.#problem('error', base, segments, message)] });
  }

  #problem(
    severity: Problem['severity'],
    base: readonly (string | number)[],
    segments: readonly (string | number)[],
    message: string,
  ): Problem {
    const path = formatFindingPath([...base, ...segments]);
    return { severity, ...this.#position([...base, ...segments], severity === 'warning'), ...(path && { path }), message };
  }

  #position(segments: readonly (string | number)[], preferKey: boolean): { line: number; column: number } {
    return this.#lineOf(locate(this.#document, segments, preferKey));
  }

  #problemAt(severity: Problem['severity'], offset: number, message: string): Problem {
    return { severity, ...this.#lineOf(offset), message };
  }

  #lineOf(offset: number): { line: number; column: number } {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  }

  /** What the parser made of a broken document; undefined if that cannot even be read. */
  #tryValue(): unknown {
    try {
      return this.#document.toJS();
    } catch {
      return undefined;
    }
  }
}

/** Whether a problem is of the object's contents, not of what identifies it. */
function isOfSpec(path: string | undefined, base: readonly (string | number)[]): boolean {
  const own = path?.slice(base.length > 0 ? formatFindingPath(base).length + 1 : 0) ?? '';
  return /^spec(?:$|[.[])/.test(own);
}

function nameOf(value: unknown): string {
  if (value === null) return 'nothing';
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
