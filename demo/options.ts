import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';

/** What the demo was asked to do. */
export interface DemoOptions {
  /** Directory of YAML, as it is shown in messages: relative to the current directory where that is shorter. */
  readonly samples: string;
  /** End by itself after this time, and judge the run. Undefined: run until interrupted. */
  readonly durationMs: number | undefined;
  /** False: run the control plane and the services only. */
  readonly envoy: boolean;
}

export const usage = `Usage: npm start -- [options]

Runs the control plane on samples/, the small services that these name, and a real Envoy between a client and them; shows how
changes get through.

Options:
  --samples DIR       read these files instead
  --duration SECONDS  end after this time; exit 0 if every call was answered and every valid object is ready
  --no-envoy          no proxy, no traffic
  --help

Examples:
  npm start
  npm start -- --samples my-mesh
  npm start -- --duration 10
`;

/** The checkout that this file belongs to. */
export const projectRoot = join(import.meta.dirname, '..');

/** Reads the command line; undefined: help was asked for. Throws what is wrong with it. */
export function parseOptions(args: readonly string[], cwd = process.cwd()): DemoOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      samples: { type: 'string' },
      duration: { type: 'string' },
      'no-envoy': { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return undefined;
  const { samples = nearest(join(projectRoot, 'samples'), cwd), duration } = values;
  const seconds = Number(duration);
  if (duration !== undefined && !(seconds > 0)) throw new Error(`--duration ${duration}: expected a number of seconds above 0`);
  return { samples, durationMs: duration === undefined ? undefined : seconds * 1000, envoy: !values['no-envoy'] };
}

/** The path from here, unless that leads through parent directories. */
function nearest(path: string, cwd: string): string {
  const fromHere = relative(cwd, path);
  return fromHere.startsWith('..') ? path : fromHere || '.';
}
