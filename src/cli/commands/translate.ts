import type { Command } from 'commander';
import { isIpAddress } from '../../api/address.ts';
import { meshKinds } from '../../api/index.ts';
import { checkObject } from '../../controllers/check-object.ts';
import { resourceToJson } from '../../envoy/registry.ts';
import type { InterceptionMode, IpFamilies, ProxyNode } from '../../mesh/proxy.ts';
import { formatDiagnostic } from '../../sources/file/diagnostic.ts';
import { loadPaths } from '../../sources/file/load-paths.ts';
import { defaultInjectionConfig } from '../../webhooks/injector/config/injection-config.ts';
import { describeIdlePatches } from '../../xds/idle-patches.ts';
import { MeshClasses } from '../../xds/mesh-classes.ts';
import { CommandError } from '../command-error.ts';
import { loadMeshConfig } from '../load-mesh-config.ts';
import { type OutputFormat, parseOutput } from '../output.ts';
import { loadMesh } from './load-mesh.ts';
import { printConfig, selectTypes } from './proxy-config.ts';

interface Options {
  readonly proxy: string;
  readonly type: string;
  readonly name?: string;
  readonly ip: string[];
  readonly label: string[];
  readonly metadata: string[];
  readonly interception: string;
  readonly dnsCapture?: boolean;
  readonly meshConfig?: string;
  readonly output: OutputFormat;
}

/** `weft translate`: what would a proxy get. */
export function addTranslateCommand(program: Command): void {
  const collect = (value: string, before: string[] = []) => [...before, value];
  program
    .command('translate')
    .summary('what a proxy would be given for files')
    .description('Translates objects in files to the Envoy configuration of one proxy, without starting anything.')
    .argument('<paths...>', 'directories or files of YAML')
    .requiredOption('--proxy <namespace/workload>', 'the proxy that asks')
    .option('--type <type>', 'clusters, endpoints, listeners, routes, ecds or all', 'all')
    .option('--name <name>', 'only the resource of this name')
    .option('--ip <address>', 'address of the workload, IPv4 or IPv6; repeatable (default: 127.0.0.1)', collect)
    .option('--label <key=value>', 'label of the workload; repeatable', collect)
    .option('--metadata <key=value>', "entry of the proxy's node metadata, for EnvoyFilters that ask for it; repeatable", collect)
    .option('--interception <mode>', 'REDIRECT, TPROXY or NONE', 'REDIRECT')
    .option('--dns-capture', "the proxy answers its workload's DNS")
    .option('--mesh-config <file>', "mesh-wide settings, in the words of Istio's MeshConfig")
    .option('-o, --output <format>', 'table, json or yaml', parseOutput, 'table')
    .addHelpText(
      'after',
      '\nExamples:\n  weft translate samples --proxy demo/client\n  weft translate samples --proxy demo/client --type routes -o yaml\n  weft translate mesh --proxy shop/web --ip 10.0.0.5 --ip 2001:db8::5 --label app=web -o json',
    )
    .action(translate);
}

async function translate(paths: string[], options: Options): Promise<void> {
  const types = selectTypes(options.type);
  const node = describeProxy(options);
  const { config } = loadMeshConfig(options.meshConfig, (message) => process.stderr.write(`${message}\n`));
  const { objects, diagnostics } = await loadPaths(paths, { kinds: meshKinds, validate: checkObject });
  for (const diagnostic of diagnostics) process.stderr.write(`${formatDiagnostic(diagnostic)}\n`);
  const proxyClass = new MeshClasses(await loadMesh(objects, config)).join(node);
  for (const line of describeIdlePatches(proxyClass)) process.stderr.write(`${line}\n`);
  const entries = types.flatMap(([type, typeUrl]) =>
    [...proxyClass.table(typeUrl).values()]
      .map((resource) => ({
        type,
        name: resource.name,
        version: resource.version,
        from: resource.provenance,
        resource: resourceToJson(resource),
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  );
  printConfig(entries, options);
  if (diagnostics.some(({ severity }) => severity === 'error')) throw new CommandError('objects with errors were left out');
}

function describeProxy({ proxy, ip, label = [], metadata = [], interception, dnsCapture }: Options): ProxyNode {
  const [namespace, name, ...rest] = proxy.split('/');
  if (!namespace || !name || rest.length) throw new CommandError(`--proxy ${proxy}: expected NAMESPACE/WORKLOAD`);
  const interceptionMode = interception.toUpperCase();
  if (!['REDIRECT', 'TPROXY', 'NONE'].includes(interceptionMode))
    throw new CommandError(`--interception ${interception}: expected REDIRECT, TPROXY or NONE`);
  const ipAddresses = ip ?? ['127.0.0.1'];
  const wrong = ipAddresses.find((address) => !isIpAddress(address));
  if (wrong !== undefined) throw new CommandError(`--ip ${wrong}: expected an IPv4 or IPv6 address`);
  const labels = readPairs('--label', label);
  return {
    id: `sidecar~${ipAddresses[0]}~${name}.${namespace}~${namespace}.svc.cluster.local`,
    type: 'sidecar',
    name,
    namespace,
    ipAddresses,
    ipFamilies: familiesOf(ipAddresses),
    labels,
    dnsDomain: `${namespace}.svc.cluster.local`,
    interceptionMode: interceptionMode as InterceptionMode,
    clusterId: 'Kubernetes',
    serviceAccount: 'default',
    metadata: {
      // As injected sidecars say it.
      ISTIO_VERSION: defaultInjectionConfig.istioVersion,
      ...(dnsCapture ? { DNS_CAPTURE: 'true' } : {}),
      ...readPairs('--metadata', metadata),
    },
  };
}

function readPairs(flag: string, pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((text) => {
      const at = text.indexOf('=');
      if (at < 1) throw new CommandError(`${flag} ${text}: expected KEY=VALUE`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

function familiesOf(addresses: readonly string[]): IpFamilies {
  const hasIpv6 = addresses.some((address) => address.includes(':'));
  const hasIpv4 = addresses.some((address) => !address.includes(':'));
  return hasIpv4 && hasIpv6 ? 'dual' : hasIpv6 ? 'ipv6' : 'ipv4';
}
