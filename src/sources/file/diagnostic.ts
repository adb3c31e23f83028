import type { ResourceKind } from '../../runtime/resource-kind.ts';

/** One thing that validation has to say about an object. */
export interface Finding {
  /** An error keeps the object's new version out of force; a warning does not. */
  readonly severity: 'error' | 'warning';
  /** The field as people write it, `spec.ports[1].protocol`; empty for the object as a whole. */
  readonly path: string;
  /** The same place as keys and list indexes. */
  readonly segments: readonly (string | number)[];
  readonly message: string;
}

/** Checks an object as it stands in the file, after its `apiVersion` and `kind` were found to be those of the kind. */
export type Validate = (kind: ResourceKind, object: unknown) => readonly Finding[];

/** A problem of a file, at its place. */
export interface Diagnostic {
  readonly severity: 'error' | 'warning';
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  /** Whose problem it is, as far as that could be read. */
  readonly kind?: string;
  readonly namespace?: string;
  readonly name?: string;
  /** The field, `spec.ports[1].protocol`. */
  readonly path?: string;
  readonly message: string;
}

/** `file:line:column: error: Kind namespace/name: path: message`, as compilers write it and editors read it. */
export function formatDiagnostic(diagnostic: Diagnostic): string {
  const { file, line, column, severity, kind, namespace, name, path, message } = diagnostic;
  const who = kind && name ? `${kind} ${namespace ? `${namespace}/` : ''}${name}` : '';
  return [`${file}:${line}:${column}`, severity, who, path, message].filter(Boolean).join(': ');
}

/** By file, line and column. */
export function compareDiagnostics(a: Diagnostic, b: Diagnostic): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.line - b.line || a.column - b.column;
}
