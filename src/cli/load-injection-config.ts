import { readFileSync } from 'node:fs';
import { defaultInjectionConfig, type InjectionConfig } from '../webhooks/injector/config/injection-config.ts';
import { readInjectionConfig } from '../webhooks/injector/config/read-injection-config.ts';
import { CommandError } from './command-error.ts';

/** An injection configuration, and the file that it comes from. */
export interface LoadedInjectionConfig {
  readonly config: InjectionConfig;
  /** Absent: no file was named. */
  readonly file?: { readonly path: string; readonly text: string };
  /** Of the chart's values: the mesh config in them, as text at its line and column. */
  readonly meshConfigText?: string;
}

/**
 * Reads a file of injection configuration; without one, the defaults. Throws a {@link CommandError} if it cannot be used.
 * @param flag how errors name the file's flag
 * @param warn told of what has no effect
 * @param namespace of the release, where the file holds the chart's values
 */
export function loadInjectionConfig(
  path: string | undefined,
  { flag, warn, namespace }: { readonly flag: string; readonly warn: (message: string) => void; readonly namespace: string },
): LoadedInjectionConfig {
  if (path === undefined) return { config: defaultInjectionConfig };
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new CommandError(`${flag} ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, 1, cause);
  }
  const { config, errors, warnings, meshConfigText } = readInjectionConfig(text, path, namespace);
  if (errors.length) throw new CommandError(errors.join('\n'));
  for (const warning of warnings) warn(warning);
  return { config, file: { path, text }, ...(meshConfigText !== undefined && { meshConfigText }) };
}
