import type { Command } from 'commander';
import { CommandError } from '../command-error.ts';
import { type HostPort, parseHostPort } from '../host-port.ts';

/** What `standalone` and `operator` have in common. */
export interface ServeOptions {
  readonly xdsBind: HostPort;
  readonly httpBind: HostPort;
  readonly metricsBind?: HostPort;
  readonly meshConfig?: string;
  readonly logLevel: 'error' | 'warn' | 'info' | 'debug';
  readonly logFormat: 'auto' | 'text' | 'json';
}

/**
 * Adds the flags of a serving command.
 * @param describe how `--metrics-bind` is explained, where it has a default
 */
export function addServeOptions(
  command: Command,
  describe: { readonly metrics: string } = { metrics: 'Prometheus metrics; without it, none are served' },
): Command {
  const address = (flag: string) => (text: string) => parseHostPort(text, flag);
  return command
    .option(
      '--xds-bind <host:port>',
      'where proxies connect, in plaintext',
      address('--xds-bind'),
      parseHostPort('127.0.0.1:15010', ''),
    )
    .option('--http-bind <host:port>', 'status and debug port', address('--http-bind'), parseHostPort('127.0.0.1:15014', ''))
    .option('--metrics-bind <host:port>', describe.metrics, address('--metrics-bind'))
    .option('--mesh-config <file>', "mesh-wide settings, in the words of Istio's MeshConfig")
    .option('--log-level <level>', 'error, warn, info or debug', oneOf('--log-level', ['error', 'warn', 'info', 'debug']), 'info')
    .option(
      '--log-format <format>',
      'auto, text or json; auto: text on a terminal',
      oneOf('--log-format', ['auto', 'text', 'json']),
      'auto',
    );
}

function oneOf(flag: string, choices: readonly string[]) {
  return (text: string): string => {
    if (choices.includes(text)) return text;
    throw new CommandError(`${flag} ${text}: expected one of ${choices.join(', ')}`);
  };
}
