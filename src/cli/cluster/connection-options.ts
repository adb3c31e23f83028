import type { Command } from 'commander';
import { defaultReleaseNamespace } from '../../webhooks/injector/config/chart-values.ts';

/** Where the chart installs the operator. */
export const defaultOperatorNamespace = defaultReleaseNamespace;

/** How a client command finds the control plane. */
export interface ConnectionOptions {
  /** `host:port` of a status port; nothing else is looked at then. */
  readonly address?: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly operatorNamespace: string;
}

/** Adds the flags by which a client command finds the control plane. */
export function addConnectionOptions(command: Command): Command {
  return command
    .option(
      '--address <host:port>',
      "a control plane's status port; without it, the operator of the kubeconfig's cluster is found",
    )
    .option('--kubeconfig <file>', 'which cluster; default: $KUBECONFIG, ~/.kube/config')
    .option('--context <name>', 'context of the kubeconfig; default: its current one')
    .option('--operator-namespace <namespace>', 'where the operator runs', defaultOperatorNamespace);
}
