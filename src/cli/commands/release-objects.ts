import type { Command } from 'commander';
import { defaultInstallation } from '../../installation-names.ts';
import type { ReleaseFlags } from './run-release-objects.ts';

/** `weft release-objects`: what `helm uninstall` runs before it takes the operator away. */
export function addReleaseObjectsCommand(program: Command): void {
  program
    .command('release-objects')
    .summary('let go of objects before the operator is uninstalled')
    .description(
      'Takes the finalizer weft.dev/withdrawal off every object, and the leader’s work from the operator’s replicas for 20 s, so that they do not put it on again.',
    )
    .option('--kubeconfig <file>', 'which cluster; default: the pod’s own, $KUBECONFIG, ~/.kube/config')
    .option('--context <name>', 'context of the kubeconfig; default: its current one')
    .option('--namespace <namespace>', 'where the operator runs; default: $POD_NAMESPACE, or weft-system')
    .option('--name <name>', 'what the operator’s Lease is called after', defaultInstallation)
    .addHelpText('after', '\nExamples:\n  weft release-objects\n  weft release-objects --name weft-canary')
    // Only now: to load the runtime's client takes longer than most commands take.
    .action(async (flags: ReleaseFlags) => (await import('./run-release-objects.ts')).runReleaseObjects(flags));
}
