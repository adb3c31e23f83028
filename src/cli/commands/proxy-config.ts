import type { Command } from 'commander';
import { type TypeUrl, typeUrls } from '../../envoy/resource.ts';
import { addConnectionOptions, type ConnectionOptions } from '../cluster/connection-options.ts';
import { CommandError } from '../command-error.ts';
import { withControlPlane } from '../control-plane-client.ts';
import { type OutputFormat, parseOutput, print } from '../output.ts';

/** What the commands call each type. */
export const configTypes: Record<string, TypeUrl> = {
  clusters: typeUrls.cluster,
  endpoints: typeUrls.endpoint,
  listeners: typeUrls.listener,
  routes: typeUrls.route,
  ecds: typeUrls.extensionConfig,
};

/** One resource as the status port answers it. */
export interface ConfigEntry {
  readonly name: string;
  readonly version: string;
  readonly from: readonly string[];
  readonly resource: unknown;
}

/** `weft proxy-config`: what a connected proxy is given. */
export function addProxyConfigCommand(program: Command): void {
  const command = program
    .command('proxy-config')
    .alias('pc')
    .summary('what a connected proxy is given')
    .description('Shows one type of configuration of one proxy, and the objects that each resource derives from.')
    .argument('<type>', `${Object.keys(configTypes).join(', ')} or all`)
    .argument('<proxy>', 'POD, or POD.NAMESPACE')
    .option('-n, --namespace <namespace>', 'namespace of the proxy, where POD does not say it', 'default')
    .option('--name <name>', 'only the resource of this name')
    .option('-o, --output <format>', 'table, json or yaml', parseOutput, 'table');
  addConnectionOptions(command)
    .addHelpText(
      'after',
      '\nExamples:\n  weft proxy-config clusters client.shop\n  weft proxy-config routes client -n shop --name 80 -o yaml',
    )
    .action(showConfig);
}

interface Options extends ConnectionOptions {
  readonly namespace: string;
  readonly name?: string;
  readonly output: OutputFormat;
}

async function showConfig(type: string, proxy: string, options: Options): Promise<void> {
  const wanted = selectTypes(type);
  const dot = proxy.lastIndexOf('.');
  const [name, namespace] = dot < 0 ? [proxy, options.namespace] : [proxy.slice(0, dot), proxy.slice(dot + 1)];
  const path = `/config/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
  const config = await withControlPlane(options, async (plane) => {
    const [found] = await plane.askEach<Record<string, ConfigEntry[]>>(path);
    if (found) return found;
    throw new CommandError(
      `no proxy ${name} of namespace ${namespace} is connected to ${plane.name}; \`weft proxy-status\` lists those that are`,
    );
  });
  printConfig(
    wanted.flatMap(([short, typeUrl]) => (config[typeUrl] ?? []).map((entry) => ({ type: short, ...entry }))),
    options,
  );
}

/** The types that an argument names. Throws a {@link CommandError} for any other word. */
export function selectTypes(type: string): [string, TypeUrl][] {
  const all = Object.entries(configTypes);
  if (type === 'all') return all;
  const found = all.filter(([name]) => name === type || name === `${type}s`);
  if (!found.length) throw new CommandError(`${type}: expected ${Object.keys(configTypes).join(', ')} or all`);
  return found;
}

/** Prints resources: their names and origins as a table, whole as JSON or YAML. */
export function printConfig(
  entries: readonly (ConfigEntry & { readonly type: string })[],
  options: { readonly name?: string; readonly output: OutputFormat },
): void {
  const shown = entries.filter((entry) => options.name === undefined || entry.name === options.name);
  if (options.name !== undefined && !shown.length) throw new CommandError(`there is no resource called ${options.name}`);
  print(
    options.output,
    shown.map(({ resource }) => resource),
    () => [
      ['TYPE', 'NAME', 'VERSION', 'FROM'],
      ...shown.map(({ type, name, version, from }) => [type, name, version.slice(0, 8), origins(from)]),
    ],
  );
}

const originsShown = 3;

function origins(from: readonly string[]): string {
  if (!from.length) return '-';
  const more = from.length - originsShown;
  return `${from.slice(0, originsShown).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
