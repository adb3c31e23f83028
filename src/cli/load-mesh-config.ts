import { readFileSync } from 'node:fs';
import { defaultMeshConfig, type MeshConfig } from '../mesh/mesh-config.ts';
import { readMeshConfig } from '../mesh/read-mesh-config.ts';
import { CommandError } from './command-error.ts';

/** A mesh config, and the file that it comes from. */
export interface LoadedMeshConfig {
  readonly config: MeshConfig;
  /** Absent: no file was named. */
  readonly file?: { readonly path: string; readonly text: string };
}

/**
 * Reads a mesh config file; without one, the defaults.
 * @param warn told of keys that mean nothing to Weft
 */
export function loadMeshConfig(path: string | undefined, warn: (message: string) => void): LoadedMeshConfig {
  if (path === undefined) return { config: defaultMeshConfig };
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new CommandError(`--mesh-config ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, 1, cause);
  }
  return { config: takeMeshConfig(text, path, warn), file: { path, text } };
}

/**
 * Reads the text of a mesh config. Throws a {@link CommandError} if it cannot be used.
 * @param path how problems name the file that it is from
 * @param warn told of keys that mean nothing to Weft
 */
export function takeMeshConfig(text: string, path: string, warn: (message: string) => void): MeshConfig {
  const { config, errors, warnings } = readMeshConfig(text, path);
  if (errors.length) throw new CommandError(errors.join('\n'));
  for (const warning of warnings) warn(warning);
  return config;
}
