import type { Command } from 'commander';
import type { ProxyReport, TypeReport } from '../../xds/proxy-report.ts';
import { addConnectionOptions, type ConnectionOptions } from '../cluster/connection-options.ts';
import { withControlPlane } from '../control-plane-client.ts';
import { formatAge, type OutputFormat, parseOutput, print } from '../output.ts';

/** `weft proxy-status`: who is connected, and how each type stands. */
export function addProxyStatusCommand(program: Command): void {
  const command = program
    .command('proxy-status')
    .alias('ps')
    .summary('connected proxies and what they have acknowledged')
    .description('Lists every connected proxy and, for each type of configuration, whether it holds what it was last sent.')
    .option('-o, --output <format>', 'table, json or yaml', parseOutput, 'table');
  addConnectionOptions(command)
    .addHelpText('after', '\nExamples:\n  weft proxy-status\n  weft proxy-status --context staging -o json')
    .action(async ({ output, ...connection }: ConnectionOptions & { readonly output: OutputFormat }) => {
      const proxies = (await withControlPlane(connection, (plane) => plane.askEach<ProxyReport[]>('/proxies'))).flat();
      proxies.sort((a, b) => (a.proxy < b.proxy ? -1 : 1));
      print(output, proxies, () => [
        ['NAME', 'CDS', 'EDS', 'LDS', 'RDS', 'ECDS', 'TRANSPORT', 'VERSION', 'CONNECTED'],
        ...proxies.map(({ proxy, types, transport, node, connectedAt }) => [
          proxy.split('/').reverse().join('.'),
          ...types.map(standing),
          transport,
          node.proxyVersion ?? '',
          formatAge(Date.now() - connectedAt),
        ]),
      ]);
    });
}

function standing({ state }: TypeReport): string {
  return state.toUpperCase();
}
