import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { parseAllDocuments, stringify } from 'yaml';
import { injectObject, type ObjectRequest } from '../../webhooks/injector/inject-object.ts';
import type { JsonMap } from '../../webhooks/injector/injection.ts';
import { formatRules } from '../../webhooks/iptables/compute-rules.ts';
import { defaultOperatorNamespace } from '../cluster/connection-options.ts';
import { CommandError } from '../command-error.ts';
import { loadBootstrapFilters } from '../load-bootstrap-filters.ts';
import { loadInjectionConfig } from '../load-injection-config.ts';
import { loadMeshConfig, takeMeshConfig } from '../load-mesh-config.ts';

interface Options {
  readonly file: string;
  readonly config?: readonly string[];
  readonly values?: string;
  readonly operatorNamespace: string;
  readonly meshConfig?: string;
  readonly printRules?: boolean;
}

const warn = (message: string): void => {
  process.stderr.write(`${message}\n`);
};

/** `weft inject`: what the webhook would make of pods, without a cluster. */
export function addInjectCommand(program: Command): void {
  program
    .command('inject')
    .summary('add the sidecar to the pods of a file')
    .description(
      'Prints the objects of a file with the sidecar in their pods, as the webhook would add it. Pods that are not injected, and objects that have none, are printed as they are.',
    )
    .requiredOption('-f, --file <file>', 'YAML of pods and workloads; - reads standard input')
    .option(
      '-c, --config <path>',
      'directory or file with the EnvoyFilters for the bootstrap, besides those of --file; repeatable',
      (path: string, before: string[] = []) => [...before, path],
    )
    .option('--values <file>', "injection configuration, or the chart's values")
    .option('--operator-namespace <namespace>', "of the release that the chart's values are for", defaultOperatorNamespace)
    .option(
      '--mesh-config <file>',
      "mesh-wide settings, in the words of Istio's MeshConfig; default: those of the chart's values",
    )
    .option('--print-rules', 'print the iptables and ip6tables rules of the pods instead')
    .addHelpText(
      'after',
      '\nExamples:\n  weft inject -f deployment.yaml --values values.yaml | kubectl apply -f -\n  weft inject -f pod.yaml --values injection.yaml --mesh-config mesh.yaml\n  weft inject -f pod.yaml --print-rules',
    )
    .action(inject);
}

async function inject(options: Options): Promise<void> {
  const { file, config: paths = [], values, operatorNamespace: namespace, meshConfig, printRules = false } = options;
  const text = read(file, '--file', file === '-' ? 0 : file);
  const { config, meshConfigText } = loadInjectionConfig(values, { flag: '--values', warn, namespace });
  const isOfValues = meshConfig === undefined && meshConfigText !== undefined;
  const mesh = isOfValues ? takeMeshConfig(meshConfigText, values!, warn) : loadMeshConfig(meshConfig, warn).config;
  const documents = parseAllDocuments(text, { prettyErrors: false });
  const list = 'empty' in documents ? [] : documents;
  for (const { errors } of list) {
    if (errors.length) throw new CommandError(`--file ${file}: ${errors.map(({ message }) => message).join('; ')}`);
  }
  const objects = list.map((document) => document.toJS({ maxAliasCount: 100 }) as unknown);
  const filterFiles = { text, file: file === '-' ? 'standard input' : file, paths };
  const shapeBootstrap = await loadBootstrapFilters(filterFiles, mesh, warn);
  const request: ObjectRequest = {
    config,
    meshConfig: mesh,
    labelsOf: namespaceLabels(objects),
    ...(shapeBootstrap && { shapeBootstrap }),
  };
  const run = new Run(request);
  const printed = objects.map((object, index) => {
    const changed = run.inject(object);
    return changed === object
      ? `${list[index]!.toString({ directives: false, lineWidth: 0 }).trimEnd()}\n`
      : stringify(changed, { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false });
  });
  if (run.refusals.length) throw new CommandError(run.refusals.join('\n'));
  process.stdout.write(printRules ? run.rules.join('') : printed.join('---\n'));
  if (printRules && run.rules.length === 0) throw new CommandError(`--file ${file}: no pod in it gets a sidecar`);
}

/** The objects of a file, one after the other. */
class Run {
  /** Why pods cannot be injected. */
  readonly refusals: string[] = [];
  /** The rules of each pod that is injected. */
  readonly rules: string[] = [];
  readonly #request: ObjectRequest;

  constructor(request: ObjectRequest) {
    this.#request = request;
  }

  /** The object with its pods injected; the same object if nothing is. */
  inject(object: unknown): unknown {
    if (!isMap(object)) return object;
    if (object.kind === 'List' && Array.isArray(object.items)) {
      const items = object.items.map((item) => this.inject(item));
      return items.every((item, index) => item === (object.items as unknown[])[index]) ? object : { ...object, items };
    }
    const outcome = injectObject(object, this.#request);
    if (!outcome) return object;
    const { name, result, capture } = outcome;
    if (result.outcome === 'refused') this.refusals.push(`${name}: ${result.message}`);
    else if (result.outcome === 'injected') for (const warning of result.warnings) warn(`warning: ${name}: ${warning}`);
    else warn(`${name} is not injected: ${result.reason}`);
    if (result.outcome === 'injected' && !capture) warn(`${name} gets no sidecar: its templates leave it out`);
    if (capture) this.rules.push(`${this.rules.length ? `# ${name}\n` : ''}${formatRules(capture)}`);
    return outcome.object;
  }
}

/** The labels of the namespaces that the file itself has. */
function namespaceLabels(objects: readonly unknown[]): ObjectRequest['labelsOf'] {
  const known = new Map<string, Record<string, string>>();
  const note = (object: unknown): void => {
    if (!isMap(object)) return;
    if (object.kind === 'List' && Array.isArray(object.items)) object.items.forEach(note);
    if (object.kind !== 'Namespace') return;
    const { name, labels } = (object.metadata ?? {}) as { name?: string; labels?: Record<string, string> | null };
    if (name !== undefined) known.set(name, labels ?? {});
  };
  objects.forEach(note);
  return (namespace) => known.get(namespace);
}

function read(name: string, flag: string, source: string | number): string {
  try {
    return readFileSync(source, 'utf8');
  } catch (cause) {
    throw new CommandError(`${flag} ${name}: ${cause instanceof Error ? cause.message : String(cause)}`, 1, cause);
  }
}

function isMap(value: unknown): value is JsonMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
