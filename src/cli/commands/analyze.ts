import type { Command } from 'commander';
import { meshKinds } from '../../api/index.ts';
import { checkObject } from '../../controllers/check-object.ts';
import { formatDiagnostic } from '../../sources/file/diagnostic.ts';
import { loadPaths } from '../../sources/file/load-paths.ts';
import { CommandError } from '../command-error.ts';
import { type OutputFormat, parseOutput, print } from '../output.ts';
import { describeConflicts, loadMesh } from './load-mesh.ts';

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
  const { diagnostics, objects, files, ignoredKinds } = await loadPaths(paths, { kinds: meshKinds, validate: checkObject });
  const conflicts = describeConflicts(await loadMesh(objects));
  if (options.output === 'table') {
    for (const diagnostic of diagnostics) process.stdout.write(`${formatDiagnostic(diagnostic)}\n`);
    for (const { object, message } of conflicts) process.stdout.write(`${object}: warning: ${message}\n`);
    for (const { apiVersion, kind, file, line } of ignoredKinds)
      process.stdout.write(`${file}:${line}: note: ${apiVersion} ${kind} is not read by Weft\n`);
  } else print(options.output, { diagnostics, conflicts, ignoredKinds }, () => []);
  const errors = diagnostics.filter(({ severity }) => severity === 'error').length;
  const warnings = diagnostics.length - errors + conflicts.length;
  process.stderr.write(`${objects.length} objects in ${files.length} files: ${errors} errors, ${warnings} warnings\n`);
  if (errors || (options.warningsAsErrors && warnings)) throw new CommandError('the analysis found problems');
}
