import { meshKinds } from '../../api/index.ts';
import { namesOf } from '../../installation-names.ts';
import { Cache } from '../../runtime/cache/cache.ts';
import { Client } from '../../runtime/client/client.ts';
import { RestClient } from '../../runtime/client/rest-client.ts';
import { loadKubeConfig } from '../../runtime/manager/kube-config.ts';
import { releaseObjects } from '../../status/release-objects.ts';
import { defaultOperatorNamespace } from '../cluster/connection-options.ts';
import { CommandError } from '../command-error.ts';

/** What `weft release-objects` is given. */
export interface ReleaseFlags {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace?: string;
  readonly name: string;
}

/** Lets go of all objects and says how many. Throws a {@link CommandError}. */
export async function runReleaseObjects(flags: ReleaseFlags): Promise<void> {
  const namespace = flags.namespace ?? process.env.POD_NAMESPACE ?? defaultOperatorNamespace;
  // The runtime's timers keep no process alive, and nothing else is open while the leader is waited for.
  const alive = setInterval(() => {}, 60_000);
  const lease = { namespace, name: namesOf(flags.name).lease };
  try {
    const kubeConfig = loadKubeConfig({ file: flags.kubeconfig, context: flags.context });
    const rest = new RestClient({ kubeConfig, userAgent: 'weft' });
    try {
      const client = new Client({ rest, cache: new Cache(), fieldManager: 'weft' });
      const count = await releaseObjects({ client, kinds: meshKinds, lease }, new AbortController().signal);
      process.stdout.write(`${count === 1 ? '1 object was' : `${count} objects were`} let go\n`);
    } finally {
      rest.close();
    }
  } catch (error) {
    throw new CommandError(`letting go of objects: ${error instanceof Error ? error.message : String(error)}`, 1, error);
  } finally {
    clearInterval(alive);
  }
}
