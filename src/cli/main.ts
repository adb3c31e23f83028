import { basename } from 'node:path';
import { Command, CommanderError } from 'commander';
import { version } from '../version.ts';
import { CommandError } from './command-error.ts';
import { addAnalyzeCommand } from './commands/analyze.ts';
import { addInjectCommand } from './commands/inject.ts';
import { addOperatorCommand } from './commands/operator.ts';
import { addProxyConfigCommand } from './commands/proxy-config.ts';
import { addProxyStatusCommand } from './commands/proxy-status.ts';
import { addReleaseObjectsCommand } from './commands/release-objects.ts';
import { addStandaloneCommand } from './commands/standalone.ts';
import { addStatusCommand } from './commands/status.ts';
import { addTranslateCommand } from './commands/translate.ts';
import { addVersionCommand } from './commands/version.ts';
import { addWaitCommand } from './commands/wait.ts';

/** As a plugin, kubectl starts `kubectl-weft` for `kubectl weft`. */
const isPlugin = basename(process.argv[1] ?? '') === 'kubectl-weft';

const program = new Command(isPlugin ? 'kubectl weft' : 'weft')
  .description("A service mesh control plane that speaks Istio's API and tells how far each change has got.")
  .version(version, '-V, --version')
  .configureHelp({ showGlobalOptions: false })
  .showHelpAfterError('(run with --help for usage and examples)')
  .exitOverride();

for (const add of [
  addOperatorCommand,
  addStandaloneCommand,
  addTranslateCommand,
  addAnalyzeCommand,
  addInjectCommand,
  addStatusCommand,
  addWaitCommand,
  addProxyStatusCommand,
  addProxyConfigCommand,
  addReleaseObjectsCommand,
  addVersionCommand,
]) {
  add(program);
}

// Who reads has enough, as in `weft status | head`: the end that a shell knows from any other program (128 + SIGPIPE).
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(141);
  throw error;
});

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode;
  else if (error instanceof CommandError) {
    process.stderr.write(`weft: ${error.message}\n`);
    process.exitCode = error.exitCode;
  } else throw error;
}
