import type { Command } from 'commander';
import { parseObjectKey } from '../../mesh/object-key.ts';
import { type Diagnostic, formatDiagnostic } from '../../sources/file/diagnostic.ts';
import type { StatusByName } from '../../status/http-routes.ts';
import type { ObjectStatus } from '../../status/render-status.ts';
import { addConnectionOptions, type ConnectionOptions } from '../cluster/connection-options.ts';
import { CommandError } from '../command-error.ts';
import { type ControlPlaneClient, withControlPlane } from '../control-plane-client.ts';
import { type ObjectReference, parseObjectReference } from '../object-reference.ts';
import { formatTable, type OutputFormat, parseOutput, print } from '../output.ts';
import { describeStatus } from '../status-row.ts';

interface Options extends ConnectionOptions {
  readonly namespace?: string;
  readonly allNamespaces?: boolean;
  readonly watch?: boolean;
  readonly output: OutputFormat;
}

/** How often `--watch` looks again, in milliseconds. */
const watchIntervalMs = 250;
/** How often it looks for a control plane that does not answer, in milliseconds. */
const awayIntervalMs = 1_000;

/** `weft status`: how far objects have got. */
export function addStatusCommand(program: Command): void {
  const command = program
    .command('status')
    .summary('how far objects have got among the proxies')
    .description('Shows for each object whether it is accepted, and how many of the proxies that need it have acknowledged it.')
    .argument('[object]', 'KIND/NAME, or KIND for all of a kind; without it, every object')
    .option('-n, --namespace <namespace>', 'namespace of the object; default for KIND/NAME: default, else all')
    .option('-A, --all-namespaces', 'every namespace')
    .option('-w, --watch', 'go on printing rows as they change, until interrupted')
    .option('-o, --output <format>', 'table, json or yaml', parseOutput, 'table');
  addConnectionOptions(command)
    .addHelpText('after', '\nExamples:\n  weft status\n  weft status serviceentry/api -n shop --watch\n  weft status se -o json')
    .action((object: string | undefined, options: Options) => showStatus(object, options));
}

async function showStatus(object: string | undefined, options: Options): Promise<void> {
  const wanted = object === undefined ? undefined : parseObjectReference(object, namespaceOf(object, options));
  return withControlPlane(options, (plane) => (options.watch ? watch : showOnce)(plane, wanted, options));
}

async function showOnce(plane: ControlPlaneClient, wanted: ObjectReference | undefined, options: Options): Promise<void> {
  const rows = await read(plane, wanted, options);
  if (wanted?.name && !rows.length)
    throw new CommandError(
      `${wanted.kind} ${wanted.namespace}/${wanted.name} is not known to the control plane at ${plane.name}`,
    );
  print(options.output, wanted?.name ? rows[0]!.status : rows, () => [header, ...rows.map(rowOf)]);
  if (options.output === 'table') await showDiagnostics(plane);
}

/** An object is looked for in one namespace, a kind in all of them unless one is named. */
function namespaceOf(object: string, { namespace, allNamespaces }: Options): string {
  if (allNamespaces) return '';
  return namespace ?? (object.includes('/') ? 'default' : '');
}

/**
 * Prints each row anew when it changes, in columns that stay where they are; a row that goes is said to be gone. A control plane that
 * answered once may be away for a while: a rollout replaces its pods.
 */
async function watch(plane: ControlPlaneClient, wanted: ObjectReference | undefined, options: Options): Promise<never> {
  const printed = new Map<string, string>();
  const widths: number[] = [];
  let problem: string | undefined;
  for (let isFirst = true; ; isFirst = false) {
    const rows = await read(plane, wanted, options).catch((error) => {
      if (isFirst || !(error instanceof CommandError)) throw error;
      if (problem !== error.message) process.stderr.write(`weft: ${error.message}\n`);
      problem = error.message;
    });
    if (!rows) {
      await new Promise((resolve) => setTimeout(resolve, awayIntervalMs));
      continue;
    }
    problem = undefined;
    const present = new Set(rows.map(({ key }) => key));
    const gone = [...printed.keys()].filter((key) => !present.has(key));
    for (const key of gone) printed.delete(key);
    const news = rows.filter((row) => {
      const line = JSON.stringify(rowOf(row).slice(0, -1));
      const isNews = printed.get(row.key) !== line;
      printed.set(row.key, line);
      return isNews;
    });
    if (options.output !== 'table') for (const row of news) print(options.output, row, () => []);
    else {
      const lines = [...(isFirst ? [header] : []), ...news.map(rowOf), ...gone.map(goneRow)];
      process.stdout.write(formatTable(lines, widths));
    }
    await new Promise((resolve) => setTimeout(resolve, watchIntervalMs));
  }
}

/** What is wrong in the files behind the objects: a document that cannot be read has no status of its own. */
async function showDiagnostics(plane: ControlPlaneClient): Promise<void> {
  const diagnostics = (await plane.askLeader<Diagnostic[]>('/diagnostics')) ?? [];
  for (const diagnostic of diagnostics) process.stderr.write(`${formatDiagnostic(diagnostic)}\n`);
}

interface Row {
  readonly key: string;
  readonly status: ObjectStatus;
}

async function read(plane: ControlPlaneClient, wanted: ObjectReference | undefined, options: Options): Promise<Row[]> {
  const namespace = wanted?.namespace || options.namespace;
  if (wanted?.name && namespace) {
    const key = `${wanted.kind}/${namespace}/${encodeURIComponent(wanted.name)}`;
    const status = await plane.askLeader<ObjectStatus>(`/status/${key}`);
    return status ? [{ key, status }] : [];
  }
  const tree = (await plane.askLeader<StatusByName>('/status')) ?? {};
  return Object.entries(tree).flatMap(([kind, namespaces]) =>
    Object.entries(namespaces).flatMap(([at, names]) =>
      Object.entries(names)
        .filter(([name]) => (!namespace || at === namespace) && (!wanted || isWanted(wanted, kind, name)))
        .map(([name, status]) => ({ key: `${kind}/${at}/${name}`, status })),
    ),
  );
}

function isWanted(wanted: ObjectReference, kind: string, name: string): boolean {
  return kind === wanted.kind && (!wanted.name || name === wanted.name);
}

const header = ['NAMESPACE', 'OBJECT', 'READY', 'REASON', 'PROXIES', 'GENERATION', 'TOOK'];

function rowOf({ key, status }: Row): string[] {
  const { kind, namespace, name } = parseObjectKey(key);
  const { ready, reason, proxies, generation, took } = describeStatus(status);
  return [namespace, `${kind.toLowerCase()}/${name}`, ready, reason, proxies, generation, took];
}

function goneRow(key: string): string[] {
  const { kind, namespace, name } = parseObjectKey(key);
  return [namespace, `${kind.toLowerCase()}/${name}`, '', 'Deleted'];
}
