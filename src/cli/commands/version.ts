import type { Command } from 'commander';
import { version } from '../../version.ts';
import { type OutputFormat, parseOutput, print } from '../output.ts';

/** `weft version`: what this is. */
export function addVersionCommand(program: Command): void {
  program
    .command('version')
    .summary("this program's version")
    .description("Prints this program's version, and the Node it runs on.")
    .option('-o, --output <format>', 'table, json or yaml', parseOutput, 'table')
    .addHelpText('after', '\nExamples:\n  weft version\n  weft version -o json')
    .action(({ output }: { output: OutputFormat }) => {
      const value = { version, node: process.versions.node };
      print(output, value, () => [[`weft ${version}`, `node ${process.versions.node}`]]);
    });
}
