import type { Command } from 'commander';
import { parseDurationMs } from '../../api/duration.ts';
import type { ObjectStatus } from '../../status/render-status.ts';
import { addConnectionOptions, type ConnectionOptions } from '../cluster/connection-options.ts';
import { CommandError } from '../command-error.ts';
import { type ControlPlaneClient, withControlPlane } from '../control-plane-client.ts';
import { type ObjectReference, parseObjectReference } from '../object-reference.ts';

interface Options extends ConnectionOptions {
  readonly for: string;
  readonly namespace: string;
  readonly timeout: string;
}

/** How often it is asked, in milliseconds. */
const pollMs = 50;

/** `weft wait`: until an object is ready everywhere, or gone. */
export function addWaitCommand(program: Command): void {
  const command = program
    .command('wait')
    .summary('wait until an object has reached every proxy')
    .description('Waits for a condition of an object; exits 1 when the time is over, saying how far it has got.')
    .argument('<object>', 'KIND/NAME')
    .option('--for <condition>', 'ready, accepted, or delete', 'ready')
    .option('-n, --namespace <namespace>', 'namespace of the object', 'default')
    .option('--timeout <duration>', 'how long to wait, such as 30s', '30s');
  addConnectionOptions(command)
    .addHelpText(
      'after',
      '\nExamples:\n  weft wait --for=ready serviceentry/api -n shop\n  weft wait --for=delete sidecar/default --timeout 1m',
    )
    .action((object: string, options: Options) => waitFor(object, options));
}

async function waitFor(object: string, options: Options): Promise<void> {
  const wanted = parseObjectReference(object, options.namespace);
  if (!wanted.name) throw new CommandError(`${object}: expected KIND/NAME`);
  const condition = options.for.toLowerCase().replace(/^condition=/, '');
  if (!['ready', 'accepted', 'delete'].includes(condition))
    throw new CommandError(`--for=${options.for}: expected ready, accepted or delete`);
  const timeoutMs = parseDurationMs(options.timeout);
  if (timeoutMs === undefined) throw new CommandError(`--timeout ${options.timeout}: expected a duration such as 30s or 1m`);
  const told = `${wanted.kind.toLowerCase()}/${wanted.name}`;
  const state = await withControlPlane(options, (plane) => poll(plane, wanted, condition, timeoutMs));
  if (state.holds) process.stdout.write(`${told} ${condition === 'delete' ? 'deleted' : 'condition met'}\n`);
  else throw new CommandError(`timed out after ${options.timeout} waiting for ${told} to be ${condition}: ${state.instead}`);
}

/**
 * Asks until the condition holds of the generation that is there at the beginning, or of a later one; or until the time is over: then
 * `instead` says how far it has got.
 */
export async function poll(
  plane: Pick<ControlPlaneClient, 'askLeader' | 'generationOf'>,
  { kind, namespace, name }: ObjectReference,
  condition: string,
  timeoutMs: number,
): Promise<{ holds: true } | { holds: false; instead: string }> {
  const deadline = performance.now() + timeoutMs;
  // A control plane that has yet to hear of the last change is not asked about the one before.
  const generation = condition === 'delete' ? undefined : await plane.generationOf(kind, `${namespace}/${name}`);
  for (let isFirst = true; ; isFirst = false) {
    let instead: string;
    try {
      const status = await plane.askLeader<ObjectStatus>(`/status/${kind}/${namespace}/${encodeURIComponent(name ?? '')}`);
      const isCurrent = generation === undefined || (status?.observedGeneration ?? 0) >= generation;
      if (condition === 'delete' ? !status : isCurrent && holds(status, condition)) return { holds: true };
      instead = isCurrent || !status ? describe(status) : `the control plane has not seen generation ${generation} yet`;
    } catch (error) {
      // One that answered once may be away for a while: a rollout replaces its pods.
      if (isFirst || !(error instanceof CommandError)) throw error;
      instead = error.message;
    }
    if (performance.now() >= deadline) return { holds: false, instead };
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

function holds(status: ObjectStatus | undefined, type: string): boolean {
  return status?.conditions?.some((condition) => condition.type.toLowerCase() === type && condition.status === 'True') ?? false;
}

function describe(status: ObjectStatus | undefined): string {
  if (!status) return 'it is not known to the control plane';
  const open = status.conditions?.find(
    ({ type, status: value }) => (type === 'Accepted' || type === 'Ready') && value !== 'True',
  );
  return open ? `${open.reason}: ${open.message}` : 'it is still there';
}
