import { readFileSync } from 'node:fs';
import { defaultMeshConfig, type MeshConfig } from '../mesh/mesh-config.ts';
import { parseMeshConfig } from '../mesh/parse-mesh-config.ts';
import { CommandError } from './command-error.ts';

/**
 * Reads a mesh config file; without one, the defaults.
 * @param warn told of keys that mean nothing to Weft
 */
export function loadMeshConfig(file: string | undefined, warn: (message: string) => void): MeshConfig {
  if (file === undefined) return defaultMeshConfig;
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new CommandError(`--mesh-config ${file}: ${cause instanceof Error ? cause.message : String(cause)}`, 1, cause);
  }
  const { config, problems } = parseMeshConfig(text);
  const located = problems.map(({ severity, line, column, message }) => ({
    severity,
    text: `${file}:${line}:${column}: ${message}`,
  }));
  const errors = located.filter(({ severity }) => severity === 'error');
  if (errors.length) throw new CommandError(errors.map(({ text: message }) => message).join('\n'));
  for (const problem of located) warn(problem.text);
  return config;
}
