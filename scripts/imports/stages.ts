import { dirname } from 'node:path';

/** What the rules say of one top folder of src. */
interface Stage {
  /** The stages that it may import; itself always. */
  readonly imports: readonly string[];
  /** Its sub-folders that other stages may import from; the rest is its own. The files beside them are open to all. */
  readonly open?: readonly string[];
}

const stagesOfAChange = ['runtime', 'api', 'envoy', 'sources', 'mesh', 'controllers', 'translate', 'xds', 'status'];

/**
 * Data flows one way: a stage imports those that stand before it in the way of a change, as `docs/architecture.md` draws it.
 * `main.ts` and `operator.ts` join the stages and `cli` is what a person starts, so these see all of them; nobody imports `cli`.
 */
export const stages: Readonly<Record<string, Stage>> = {
  runtime: { imports: [], open: ['cache', 'queue', 'client', 'events', 'leader-election', 'manager', 'testenv', 'webhook'] },
  api: { imports: ['runtime'], open: ['service-entry', 'sidecar', 'envoy-filter', 'workload-entry', 'kubernetes'] },
  envoy: { imports: [], open: ['gen'] },
  sources: { imports: ['runtime', 'api'], open: ['file', 'kubernetes'] },
  mesh: { imports: ['api'] },
  // The registry of Envoy's types: an EnvoyFilter is compared with the messages it patches.
  controllers: { imports: ['api', 'runtime', 'mesh', 'envoy'] },
  // Who vouches for the control plane: what it knows of the cluster is objects, nothing of the mesh.
  authority: { imports: ['runtime', 'sources'] },
  translate: { imports: ['mesh', 'api', 'envoy'], open: ['patches'] },
  xds: { imports: ['mesh', 'translate', 'envoy', 'runtime'], open: ['auth', 'rollout'] },
  status: { imports: ['xds', 'mesh', 'api', 'runtime', 'envoy'], open: ['replication'] },
  webhooks: { imports: ['runtime', 'api', 'mesh', 'controllers'], open: ['iptables', 'injector', 'admission', 'validator'] },
  'version.ts': { imports: [] },
  'installation-names.ts': { imports: [] },
  'control-plane.ts': { imports: stagesOfAChange },
  'main.ts': { imports: [...stagesOfAChange, 'control-plane.ts', 'version.ts'] },
  'leader-duties.ts': { imports: [...stagesOfAChange, 'authority', 'control-plane.ts'] },
  // What the operator adds where it has to be trusted: an authority, webhooks, and TLS for proxies.
  'trust.ts': { imports: ['runtime', 'sources', 'authority', 'webhooks'] },
  'admission.ts': { imports: ['runtime', 'api', 'mesh', 'authority', 'webhooks', 'trust.ts'] },
  'injection-in-force.ts': { imports: ['webhooks'] },
  'shape-bootstrap.ts': { imports: [...stagesOfAChange, 'webhooks'] },
  'security.ts': {
    imports: [
      ...stagesOfAChange,
      ...['authority', 'webhooks', 'control-plane.ts', 'trust.ts', 'admission.ts', 'injection-in-force.ts', 'shape-bootstrap.ts'],
    ],
  },
  'operator.ts': {
    imports: [
      ...stagesOfAChange,
      ...['control-plane.ts', 'leader-duties.ts', 'security.ts', 'installation-names.ts', 'version.ts'],
    ],
  },
  'rbac.ts': { imports: ['runtime', 'api', 'authority', 'webhooks', 'installation-names.ts'] },
  cli: {
    imports: [
      ...stagesOfAChange,
      ...[
        'authority',
        'webhooks',
        'version.ts',
        'main.ts',
        'operator.ts',
        'leader-duties.ts',
        'security.ts',
        'shape-bootstrap.ts',
        'installation-names.ts',
      ],
    ],
  },
};

/** Types that point against the flow, each with its reason. */
const typeExceptions: readonly { from: string; to: string }[] = [
  // A resource carries the keys of the objects that it derives from; a key is a string, nothing of the model comes with it.
  { from: 'envoy/resource.ts', to: 'mesh/object-key.ts' },
];

/** Tests, what tests share, and generated code: free to import what they need. */
export function isExempt(path: string): boolean {
  return path.endsWith('.test.ts') || path.split('/').includes('testing') || path.startsWith('envoy/gen/');
}

/**
 * Why one file may not import another; undefined if it may.
 * @param from the importing file, relative to src: `mesh/mesh.ts`
 * @param to the imported file, relative to src; one that begins with `..` lies outside of it
 */
export function explainForbidden(from: string, to: string, { isType = false } = {}): string | undefined {
  if (isExempt(from)) return undefined;
  if (to.startsWith('..')) return 'src imports nothing from outside of src';
  if (to.endsWith('.test.ts') || to.split('/').includes('testing')) return 'what runs imports nothing made for tests';
  const [source, target] = [stageOf(from), stageOf(to)];
  if (source === target) return undefined;
  const stage = stages[source];
  if (!stage) return `src/${source} has no rule; add it to scripts/imports/stages.ts`;
  if (!stage.imports.includes(target)) {
    if (isType && typeExceptions.some((exception) => exception.from === from && exception.to === to)) return undefined;
    return `src/${source} imports only ${stage.imports.map((name) => `src/${name}`).join(', ') || 'its own files'}`;
  }
  const folder = dirname(to).split('/')[1];
  if (folder === undefined || stages[target]?.open?.includes(folder)) return undefined;
  return `src/${target}/${folder} is private to src/${target}`;
}

function stageOf(path: string): string {
  return path.split('/')[0]!;
}
