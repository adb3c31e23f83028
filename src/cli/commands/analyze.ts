import type { Command } from 'commander';
import { meshKinds } from '../../api/index.ts';
import { checkObject } from '../../controllers/check-object.ts';
import { formatDiagnostic } from '../../sources/file/diagnostic.ts';
import type { IgnoredKind } from '../../sources/file/file-loader.ts';
import { loadPaths } from '../../sources/file/load-paths.ts';
import { CommandError } from '../command-error.ts';
import { type OutputFormat, parseOutput, print } from '../output.ts';
import { findProblems, loadMesh } from './load-mesh.ts';

/** `weft analyze`: the check for objects in git. */
export function addAnalyzeCommand(program: Command): void {
  program
    .command('analyze')
    .summary('check objects in files')
    .description(
      'Checks objects in files as the control plane would, and says what is wrong at file:line:column. Exits 1 on errors.',
    )
    .argument('<paths...>', 'directories or files of YAML')
    .option('--warnings-as-errors', 'exit 1 on warnings too')
    .option('-o, --output <format>', 'table, json or yaml', parseOutput, 'table')
    .addHelpText('after', '\nExamples:\n  weft analyze samples\n  weft analyze mesh/ --warnings-as-errors -o json')
    .action(analyze);
}

async function analyze(
  paths: string[],
  options: { readonly warningsAsErrors?: boolean; readonly output: OutputFormat },
): Promise<void> {
  const { diagnostics, objects, files, ...rest } = await loadPaths(paths, { kinds: meshKinds, validate: checkObject });
  const ignoredKinds = rest.ignoredKinds.map((ignored) => ({ ...rateIgnoredKind(ignored), ...ignored }));
  const problems = findProblems(await loadMesh(objects));
  if (options.output === 'table') {
    for (const diagnostic of diagnostics) process.stdout.write(`${formatDiagnostic(diagnostic)}\n`);
    for (const { severity, object, message } of problems) process.stdout.write(`${object}: ${severity}: ${message}\n`);
    for (const { severity, apiVersion, kind, file, line, message } of ignoredKinds)
      process.stdout.write(`${file}:${line}: ${severity}: ${apiVersion} ${kind} ${message}\n`);
  } else print(options.output, { diagnostics, problems, ignoredKinds }, () => []);
  const all = [...diagnostics, ...problems, ...ignoredKinds].map(({ severity }) => severity);
  const errors = all.filter((severity) => severity === 'error').length;
  const warnings = all.filter((severity) => severity === 'warning').length;
  process.stderr.write(`${objects.length} objects in ${files.length} files: ${errors} errors, ${warnings} warnings\n`);
  if (errors || (options.warningsAsErrors && warnings)) throw new CommandError('the analysis found problems');
}

/** What nobody reads is worth a note; a policy that somebody relies on is worth a warning. */
function rateIgnoredKind({ apiVersion }: IgnoredKind): { readonly severity: 'note' | 'warning'; readonly message: string } {
  return apiVersion.startsWith('security.istio.io/')
    ? { severity: 'warning', message: 'is not enforced by Weft: what it forbids is let through' }
    : { severity: 'note', message: 'is not read by Weft' };
}
