import type { MeshConfig } from './mesh-config.ts';
import { parseMeshConfig } from './parse-mesh-config.ts';

/** A mesh config file, read. */
export interface MeshConfigText {
  readonly config: MeshConfig;
  /** Why it must not be used, one line each, as `file:line:column: message`; empty: it may be. */
  readonly errors: readonly string[];
  /** What means nothing to Weft, in the same form. */
  readonly warnings: readonly string[];
}

/** Reads the text of a mesh config file; `file` is how problems name it. */
export function readMeshConfig(text: string, file: string): MeshConfigText {
  const { config, problems } = parseMeshConfig(text);
  const locate = (wanted: 'error' | 'warning') =>
    problems
      .filter(({ severity }) => severity === wanted)
      .map(({ line, column, message }) => `${file}:${line}:${column}: ${message}`);
  return { config, errors: locate('error'), warnings: locate('warning') };
}
