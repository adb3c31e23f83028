import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { Replication } from '../../leader-duties.ts';
import { createOperator } from '../../operator.ts';
import { createLogger } from '../../runtime/logger.ts';
import { loadKubeConfig } from '../../runtime/manager/kube-config.ts';
import { setupSignalHandler } from '../../runtime/manager/signals.ts';
import { formatAddress } from '../../xds/bind-address.ts';
import { defaultOperatorNamespace } from '../cluster/connection-options.ts';
import { CommandError } from '../command-error.ts';
import { type HostPort, parseHostPort } from '../host-port.ts';
import { loadMeshConfig } from '../load-mesh-config.ts';
import { addServeOptions, type ServeOptions } from './serve-options.ts';

interface OperatorFlags extends ServeOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace?: string;
  readonly leaderElect: boolean;
  readonly healthBind?: HostPort;
  readonly replicaBind?: HostPort;
  readonly replicaTokenFile?: string;
}

/** Every address, IPv4 and IPv6 where the machine has both. */
const [metricsPort, healthPort] = [8080, 8081];

/** `weft operator`: the control plane of a cluster. */
export function addOperatorCommand(program: Command): void {
  const command = program
    .command('operator')
    .summary('serve proxies from the objects of a cluster')
    .description(
      'Follows the Istio objects, Services and pods of a cluster, and serves the proxies that connect. In a pod it needs no flags; elsewhere it finds the cluster as kubectl does.',
    )
    .option('--kubeconfig <file>', 'which cluster; default: the pod’s own, $KUBECONFIG, ~/.kube/config')
    .option('--context <name>', 'context of the kubeconfig; default: its current one')
    .option('--namespace <namespace>', 'where the operator runs and keeps its Lease; default: $POD_NAMESPACE, or the context’s')
    .option(
      '--leader-elect [true|false]',
      'share the leader’s work with other replicas; false: there are none',
      parseBoolean,
      true,
    )
    .option(
      '--replica-bind <host:port>',
      'where other replicas stream their counts while this one leads; with --replica-token-file',
      (text) => parseHostPort(text, '--replica-bind'),
    )
    .option('--replica-token-file <file>', 'a secret that all replicas share')
    .option('--health-bind <host:port>', `/healthz and /readyz (default "*:${healthPort}")`, (text) =>
      parseHostPort(text, '--health-bind'),
    );
  addServeOptions(command, { metrics: `Prometheus metrics (default "*:${metricsPort}")` })
    .addHelpText(
      'after',
      '\nExamples:\n  weft operator\n  weft operator --kubeconfig ~/.kube/config --leader-elect=false --mesh-config mesh.yaml',
    )
    .action(serve);
}

async function serve(flags: OperatorFlags): Promise<void> {
  const logger = createLogger({ level: flags.logLevel, format: flags.logFormat });
  const { config, file: meshConfigFile } = loadMeshConfig(flags.meshConfig, (problem) => logger.warn('Mesh config', { problem }));
  const signal = setupSignalHandler();
  try {
    const kubeConfig = loadKubeConfig({ file: flags.kubeconfig, context: flags.context });
    const contextNamespace = kubeConfig.getContextObject(kubeConfig.getCurrentContext())?.namespace;
    const { manager, served } = createOperator({
      ...{ kubeConfig, config, logger, xdsBind: flags.xdsBind, httpBind: flags.httpBind },
      ...(meshConfigFile ? { meshConfigFile } : {}),
      namespace: flags.namespace ?? process.env.POD_NAMESPACE ?? contextNamespace ?? defaultOperatorNamespace,
      metricsBind: flags.metricsBind ?? { port: metricsPort },
      healthBind: flags.healthBind ?? { port: healthPort },
      ...readReplication(flags),
      leaderElection: flags.leaderElect ? {} : false,
    });
    void served.then((addresses) => logger.info('Serving', { ...addresses }));
    await manager.start(signal);
  } catch (error) {
    logger.error('The operator has failed', { error });
    throw new CommandError(error instanceof Error ? error.message : String(error), 1, error);
  }
}

/** Replicas reach each other by the pod's address, or where a single host was bound, by that. */
function readReplication({ leaderElect, replicaBind: bind, replicaTokenFile }: OperatorFlags): { replication?: Replication } {
  if (!leaderElect || !bind) return {};
  if (replicaTokenFile === undefined)
    throw new Error('--replica-bind needs --replica-token-file: whoever may connect is believed');
  const token = readFileSync(replicaTokenFile, 'utf8').trim();
  if (token === '') throw new Error(`--replica-token-file ${replicaTokenFile}: the file is empty`);
  if (bind.port === 0) throw new Error('--replica-bind: the other replicas have to know the port; 0 takes any');
  return { replication: { bind, token, advertised: formatAddress(process.env.POD_IP ?? bind.host, bind.port) } };
}

function parseBoolean(text: string): boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  throw new CommandError(`--leader-elect=${text}: expected true or false`);
}
