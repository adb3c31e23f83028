import { type Command, Option } from 'commander';
import { defaultInstallation } from '../../installation-names.ts';
import { replicaAudience } from '../../status/replication/replica-credential.ts';
import { CommandError } from '../command-error.ts';
import { healthPort, metricsPort } from '../default-ports.ts';
import { parseHostPort } from '../host-port.ts';
import type { OperatorFlags } from './operator-flags.ts';
import { addSecurityOptions } from './security-flags.ts';
import { addServeOptions, parseDuration } from './serve-options.ts';

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
    .option('--name <name>', 'what its Lease, Secret, Service and webhooks are called after', defaultInstallation)
    .option(
      '--write-status [true|false]',
      'write statuses and Events; false: another revision does',
      parseBoolean('--write-status'),
      true,
    )
    .option(
      '--leader-elect [true|false]',
      'share the leader’s work with other replicas; false: there are none',
      parseBoolean('--leader-elect'),
      true,
    )
    .option(
      '--replica-bind <host:port>',
      'where other replicas stream their counts while this one leads; with a file of a token',
      (text) => parseHostPort(text, '--replica-bind'),
    )
    .option(
      '--replica-identity-token-file <file>',
      `this pod’s projected token for ${replicaAudience}, by which replicas know each other`,
    )
    .option('--replica-token-file <file>', 'a secret that all replicas share, in place of that')
    .option('--replica-tls-cert <file>', 'certificate that this replica shows to the others, in place of that for proxies')
    .option('--replica-tls-key <file>', 'its key')
    .option('--replica-tls-ca <file>', 'authorities whose certificates this replica believes of the others')
    .option('--replica-tls-server-name <name>', 'name in the others’ certificates; default: the address they are reached by')
    .option('--replica-allow-plaintext', 'send the token without TLS over a network that encrypts by itself')
    .option('--health-bind <host:port>', `/healthz and /readyz (default "*:${healthPort}")`, (text) =>
      parseHostPort(text, '--health-bind'),
    );
  command.addOption(
    new Option('--drain-time <duration>', 'how long it goes on serving after SIGTERM, while others hear that it leaves')
      .argParser(parseDuration('--drain-time', { allowsZero: true }))
      .default(0, '0s'),
  );
  addSecurityOptions(command, parseBoolean);
  addServeOptions(command, {
    xds: { use: 'where proxies connect in plaintext, without proof of who they are; without it, nowhere' },
    metrics: `Prometheus metrics (default "*:${metricsPort}")`,
  })
    .addHelpText(
      'after',
      '\nExamples:\n  weft operator\n  weft operator --kubeconfig ~/.kube/config --leader-elect=false --mesh-config mesh.yaml',
    )
    // Only now: to load the runtime's client takes longer than most commands take.
    .action(async (flags: OperatorFlags) => (await import('./serve-operator.ts')).serveOperator(flags));
}

function parseBoolean(flag: string): (text: string) => boolean {
  return (text) => {
    if (text === 'true' || text === 'false') return text === 'true';
    throw new CommandError(`${flag}=${text}: expected true or false`);
  };
}
