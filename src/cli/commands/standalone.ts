import type { Command } from 'commander';
import { startStandalone } from '../../main.ts';
import { createLogger } from '../../runtime/logger.ts';
import { CommandError } from '../command-error.ts';
import type { HostPort } from '../host-port.ts';
import { loadMeshConfig } from '../load-mesh-config.ts';
import { addServeOptions, rolloutOf, type ServeOptions } from './serve-options.ts';

/** What `weft standalone` is told. */
interface StandaloneFlags extends ServeOptions {
  readonly config: readonly string[];
  /** It has a default. */
  readonly xdsBind: HostPort;
}

/** Where proxies connect, for those of this machine. */
const defaultXdsAddress = '127.0.0.1:15010';

/** `weft standalone`: YAML files in, xDS out, no cluster. */
export function addStandaloneCommand(program: Command): void {
  const command = program
    .command('standalone')
    .summary('serve proxies from YAML files, without a cluster')
    .description('Reads Istio objects from directories of YAML, follows their changes, and serves the proxies that connect.')
    .requiredOption('-c, --config <dir>', 'directory or file of YAML; repeatable', (path: string, before: string[] = []) => [
      ...before,
      path,
    ]);
  addServeOptions(command, {
    xds: { use: 'where proxies connect, in plaintext', fallback: defaultXdsAddress },
    metrics: 'Prometheus metrics; without it, none are served',
  })
    .addHelpText(
      'after',
      '\nExamples:\n  weft standalone --config samples\n  weft standalone --config mesh --xds-bind [::]:15010 --log-level debug',
    )
    .action((options: StandaloneFlags) => serve(options));
}

/** How long streams and reconciles under way are given to end, in milliseconds. */
const shutdownDeadlineMs = 5000;

async function serve(options: StandaloneFlags): Promise<void> {
  const logger = createLogger({ level: options.logLevel, format: options.logFormat });
  const { config } = loadMeshConfig(options.meshConfig, (message) => logger.warn('Mesh config', { problem: message }));
  const { config: paths, xdsBind, httpBind, metricsBind } = options;
  const standalone = await startStandalone({
    paths,
    config,
    logger,
    xdsBind,
    httpBind,
    metricsBind,
    rollout: rolloutOf(options),
  }).catch((error) => {
    throw new CommandError(error instanceof Error ? error.message : String(error), 1, error);
  });
  logger.info('Serving', {
    xds: standalone.xdsAddress,
    http: standalone.httpAddress,
    ...(standalone.metricsAddress === undefined ? {} : { metrics: standalone.metricsAddress }),
  });
  const signal = await Promise.race([once('SIGINT'), once('SIGTERM'), standalone.failed]);
  if (signal instanceof Error) logger.error('A part has failed', { error: signal });
  else logger.info('Shutting down', { signal });
  await standalone.stop({ deadlineMs: shutdownDeadlineMs });
  if (signal instanceof Error) throw new CommandError(signal.message, 1, signal);
}

function once(signal: NodeJS.Signals): Promise<NodeJS.Signals> {
  return new Promise((resolve) => process.once(signal, () => resolve(signal)));
}
