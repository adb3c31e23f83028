import type { Command } from 'commander';
import { parseObjectKey } from '../../mesh/object-key.ts';
import type { StatusByName } from '../../status/http-routes.ts';
import type { ObjectStatus } from '../../status/render-status.ts';
import { addConnectionOptions, type ConnectionOptions } from '../cluster/connection-options.ts';
import { CommandError } from '../command-error.ts';
import { type ControlPlaneClient, connect } from '../control-plane-client.ts';
import { type ObjectReference, parseObjectReference } from '../object-reference.ts';
import { type OutputFormat, parseOutput, print } from '../output.ts';

interface Options extends ConnectionOptions {
  readonly namespace?: string;
  readonly allNamespaces?: boolean;
  readonly watch?: boolean;
  readonly output: OutputFormat;
}

/** How often `--watch` looks again, in milliseconds. */
const watchIntervalMs = 250;

/** `weft status`: how far objects have got. */
export function addStatusCommand(program: Command): void {
  const command = program
    .command('status')
    .summary('how far objects have got among the proxies')
    .description('Shows for each object whether it is accepted, and how many of the proxies that need it have acknowledged it.')
    .argument('[object]', 'KIND/NAME, or KIND for all of a kind; without it, every object')
    .option('-n, --namespace <namespace>', 'namespace of the object; default for KIND/NAME: default, else all')
    .option('-w, --watch', 'go on printing rows as they change, until interrupted')
    .option('-o, --output <format>', 'table, json or yaml', parseOutput, 'table');
  addConnectionOptions(command)
    .addHelpText('after', '\nExamples:\n  weft status\n  weft status serviceentry/api -n shop --watch\n  weft status se -o json')
    .action((object: string | undefined, options: Options) => showStatus(object, options));
}

async function showStatus(object: string | undefined, options: Options): Promise<void> {
  const wanted =
    object === undefined ? undefined : parseObjectReference(object, options.namespace ?? (object.includes('/') ? 'default' : ''));
  const plane = await connect(options);
  if (!options.watch) {
    const rows = await read(plane, wanted, options);
    if (wanted?.name && !rows.length)
      throw new CommandError(
        `${wanted.kind} ${wanted.namespace}/${wanted.name} is not known to the control plane at ${plane.name}`,
      );
    print(options.output, wanted?.name ? rows[0]!.status : rows, () => [header, ...rows.map(rowOf)]);
    return;
  }
  const printed = new Map<string, string>();
  for (let isFirst = true; ; isFirst = false) {
    const rows = (await read(plane, wanted, options)).filter((row) => {
      const line = JSON.stringify(rowOf(row).slice(0, -1));
      const isNews = printed.get(row.key) !== line;
      printed.set(row.key, line);
      return isNews;
    });
    if (options.output !== 'table') for (const row of rows) print(options.output, row, () => []);
    else if (rows.length || isFirst) print('table', undefined, () => [...(isFirst ? [header] : []), ...rows.map(rowOf)]);
    await new Promise((resolve) => setTimeout(resolve, watchIntervalMs));
  }
}

interface Row {
  readonly key: string;
  readonly status: ObjectStatus;
}

async function read(plane: ControlPlaneClient, wanted: ObjectReference | undefined, options: Options): Promise<Row[]> {
  const tree = (await plane.askLeader<StatusByName>('/status')) ?? {};
  return Object.entries(tree).flatMap(([kind, namespaces]) =>
    Object.entries(namespaces).flatMap(([namespace, names]) =>
      Object.entries(names)
        .filter(([name]) => {
          const isNamespace = !(wanted?.namespace || options.namespace) || namespace === (wanted?.namespace || options.namespace);
          return isNamespace && (!wanted || (kind === wanted.kind && (!wanted.name || name === wanted.name)));
        })
        .map(([name, status]) => ({ key: `${kind}/${namespace}/${name}`, status })),
    ),
  );
}

const header = ['NAMESPACE', 'OBJECT', 'READY', 'REASON', 'PROXIES', 'GENERATION', 'TOOK'];

function rowOf({ key, status }: Row): string[] {
  const { kind, namespace, name } = parseObjectKey(key);
  const ready = status.conditions?.find(({ type }) => type === 'Ready');
  const accepted = status.conditions?.find(({ type }) => type === 'Accepted');
  const reason = accepted?.status === 'False' ? accepted.reason : ready?.reason;
  return [
    namespace,
    `${kind.toLowerCase()}/${name}`,
    ready?.status ?? 'Unknown',
    reason ?? '',
    status.propagation?.summary ?? '',
    String(status.observedGeneration ?? ''),
    tookOf(status),
  ];
}

/** How long the generation took to reach its last proxy. */
export function tookOf({ propagation }: ObjectStatus): string {
  if (!propagation?.startedAt || !propagation.completedAt) return '';
  return `${Date.parse(propagation.completedAt) - Date.parse(propagation.startedAt)} ms`;
}
