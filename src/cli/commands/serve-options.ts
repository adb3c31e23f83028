import { type Command, Option } from 'commander';
import { durationProblem, parseDurationMs } from '../../api/duration.ts';
import { defaultRolloutOptions, type RolloutOptions } from '../../xds/rollout/rollout-report.ts';
import { CommandError } from '../command-error.ts';
import { type HostPort, parseHostPort } from '../host-port.ts';

/** What `standalone` and `operator` have in common. */
export interface ServeOptions {
  readonly xdsBind?: HostPort;
  readonly httpBind: HostPort;
  readonly metricsBind?: HostPort;
  readonly meshConfig?: string;
  readonly envoyFilterCanaries: number;
  /** Milliseconds. */
  readonly envoyFilterTrialTimeout: number;
  readonly logLevel: 'error' | 'warn' | 'info' | 'debug';
  readonly logFormat: 'auto' | 'text' | 'json';
}

/** Adds the flags of a serving command; `describe` has what differs between the two. */
export function addServeOptions(
  command: Command,
  describe: {
    /** How `--xds-bind` is explained, and its default; absent: none. */
    readonly xds: { readonly use: string; readonly fallback?: string };
    /** How `--metrics-bind` is explained. */
    readonly metrics: string;
  },
): Command {
  const address = (flag: string) => (text: string) => parseHostPort(text, flag);
  const bind = (flag: string, use: string, fallback?: string) => {
    const option = new Option(`${flag} <host:port>`, use).argParser(address(flag));
    return fallback === undefined ? option : option.default(parseHostPort(fallback, flag), fallback);
  };
  return command
    .addOption(bind('--xds-bind', describe.xds.use, describe.xds.fallback))
    .addOption(bind('--http-bind', 'status and debug port', '127.0.0.1:15014'))
    .option('--metrics-bind <host:port>', describe.metrics, address('--metrics-bind'))
    .option('--mesh-config <file>', "mesh-wide settings, in the words of Istio's MeshConfig")
    .addOption(
      new Option(
        '--envoy-filter-canaries <number>',
        'proxies that try a new generation of an EnvoyFilter first; 0: everybody gets it',
      )
        .argParser(parseCount('--envoy-filter-canaries'))
        .default(defaultRolloutOptions.canaries),
    )
    .addOption(
      new Option('--envoy-filter-trial-timeout <duration>', 'how long the rest waits for a proxy on trial that says nothing')
        .argParser(parseDuration('--envoy-filter-trial-timeout'))
        .default(defaultRolloutOptions.deadlineMs, `${defaultRolloutOptions.deadlineMs / 1000}s`),
    )
    .addOption(
      new Option('--log-level <level>', 'least severe level to log').choices(['error', 'warn', 'info', 'debug']).default('info'),
    )
    .addOption(
      new Option('--log-format <format>', 'auto: text on a terminal, else JSON')
        .choices(['auto', 'text', 'json'])
        .default('auto'),
    );
}

/** How generations of an EnvoyFilter reach the fleet, as the flags say. */
export function rolloutOf({ envoyFilterCanaries, envoyFilterTrialTimeout }: ServeOptions): RolloutOptions {
  return { canaries: envoyFilterCanaries, deadlineMs: envoyFilterTrialTimeout };
}

function parseCount(flag: string): (text: string) => number {
  return (text) => {
    if (!/^\d{1,6}$/.test(text)) throw new CommandError(`${flag} ${text}: expected a whole number`);
    return Number(text);
  };
}

/**
 * Reads a duration in Go's notation as milliseconds; throws a {@link CommandError} that names the flag.
 * @param allowsZero a time of nothing is one, too; default false
 */
export function parseDuration(flag: string, { allowsZero = false } = {}): (text: string) => number {
  return (text) => {
    if (allowsZero && /^0(ns|us|µs|ms|s|m|h)?$/.test(text)) return 0;
    const problem = durationProblem(text);
    if (problem !== undefined) throw new CommandError(`${flag}: ${problem}`);
    return parseDurationMs(text)!;
  };
}
