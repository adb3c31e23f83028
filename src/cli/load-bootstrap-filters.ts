import { existsSync } from 'node:fs';
import { envoyFilterKind } from '../api/index.ts';
import { checkObject } from '../controllers/check-object.ts';
import type { MeshConfig } from '../mesh/mesh-config.ts';
import { type Logger, silentLogger } from '../runtime/logger.ts';
import { bootstrapShaper } from '../shape-bootstrap.ts';
import { type Diagnostic, formatDiagnostic } from '../sources/file/diagnostic.ts';
import { FileLoader } from '../sources/file/file-loader.ts';
import { loadPaths } from '../sources/file/load-paths.ts';
import type { InjectionRequest } from '../webhooks/injector/injection.ts';
import { CommandError } from './command-error.ts';
import { loadMesh } from './commands/load-mesh.ts';

/** Where EnvoyFilters are read. */
export interface FilterFiles {
  /** A text at hand, and how problems name it. Its objects win over those of `paths`. */
  readonly text: string;
  readonly file: string;
  /** Files and directories of YAML. */
  readonly paths: readonly string[];
}

type Warn = (message: string) => void;

const options = { kinds: [envoyFilterKind], validate: checkObject };

/**
 * What the EnvoyFilters of files do to the bootstraps of injected pods, as the webhook would have it if they were in the cluster. Undefined
 * where there are none. Throws a {@link CommandError} for a path that is not there.
 * @param warn told of filters that cannot be used, and later of patches that do not apply
 */
export async function loadBootstrapFilters(
  { text, file, paths }: FilterFiles,
  config: MeshConfig,
  warn: Warn,
): Promise<InjectionRequest['shapeBootstrap']> {
  const missing = paths.find((path) => !existsSync(path));
  if (missing !== undefined) throw new CommandError(`--config ${missing}: does not exist`);
  const { registry } = await loadText(file, text);
  const loaded = await loadPaths(paths, options);
  const own = registry.diagnostics(file).filter(({ kind }) => kind === envoyFilterKind.kind);
  for (const diagnostic of [...own, ...loaded.diagnostics]) warn(formatFilterProblem(diagnostic));
  const objects = new Map(
    // The last of a name counts.
    [...loaded.objects, ...registry.objects(envoyFilterKind)].map((object) => [
      `${object.metadata.namespace}/${object.metadata.name}`,
      object,
    ]),
  );
  if (objects.size === 0) return undefined;
  const mesh = await loadMesh([...objects.values()], config);
  return bootstrapShaper(
    (namespace, labels) => mesh.envoyFilters.select(namespace, labels, config.rootNamespace),
    warningLogger(warn),
  );
}

async function loadText(file: string, text: string): Promise<FileLoader> {
  const loader = new FileLoader(options);
  await loader.load({ root: 0, path: file }, text);
  // What has no date of its own is older than the objects of paths, whatever the clock does in between.
  loader.registry.decide(0);
  return loader;
}

const formatFilterProblem = (diagnostic: Diagnostic): string =>
  `${diagnostic.severity === 'error' ? 'warning: not applied: ' : ''}${formatDiagnostic(diagnostic)}`;

/** A log for people who look at one file. */
function warningLogger(warn: Warn): Logger {
  return {
    ...silentLogger,
    error(message, { namespace, name, patch, error } = {}) {
      const which = name === undefined ? '' : `: EnvoyFilter ${namespace}/${name}: spec.configPatches[${patch}]`;
      warn(`warning: ${message}${which}: ${error instanceof Error ? error.message : String(error)}`);
    },
  };
}
