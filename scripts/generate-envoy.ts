/**
 * Generates Envoy's v3 API from the protos that `@grpc/grpc-js-xds` ships, into `src/envoy/gen` (never committed):
 * `descriptors.binpb`, every message of v3 in one descriptor set, for reading any `typed_config`;
 * and typed JavaScript for the messages the translator builds.
 * Runs at `npm install` (the `prepare` script); does nothing where the output is newer than its inputs.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';

const project = dirname(import.meta.dirname);
const output = join(project, 'src/envoy/gen');
const require = createRequire(import.meta.url);
const xdsPackage = dirname(require.resolve('@grpc/grpc-js-xds/package.json'));
const stamp = join(output, '.stamp');

/** The protos imported by these are not shipped: opencensus, OTLP logs, the Prometheus client. */
const unresolvable = /^envoy\/(service\/(trace|metrics)\/v3\/|extensions\/access_loggers\/open_telemetry\/v3\/logs_service)/;
/** What the typed code is generated for: the messages that `src/translate` and `src/xds` name. */
const typedPaths = [
  'envoy/admin/v3',
  'envoy/config/accesslog',
  'envoy/config/bootstrap',
  'envoy/config/cluster',
  'envoy/config/core',
  'envoy/config/endpoint',
  'envoy/config/listener',
  'envoy/config/route',
  'envoy/data/accesslog/v3',
  'envoy/extensions/access_loggers/file',
  'envoy/extensions/access_loggers/stream',
  'envoy/extensions/clusters',
  'envoy/extensions/filters/http',
  'envoy/extensions/filters/listener',
  'envoy/extensions/filters/network',
  'envoy/extensions/upstreams/http',
  'envoy/extensions/transport_sockets',
  'envoy/service/discovery/v3',
  'envoy/type',
  'google/rpc/status.proto',
  'udpa/type',
  'xds/type/v3/typed_struct.proto',
];

const fingerprint = [xdsPackage, import.meta.filename]
  .map((path) => (path.endsWith('.ts') ? readFileSync(path, 'utf8') : readFileSync(join(path, 'package.json'), 'utf8')))
  .join('\n');
if (existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint) process.exit(0);

const root = mkdtempSync(join(tmpdir(), 'weft-protos-'));
try {
  const deps = join(xdsPackage, 'deps');
  for (const path of protosUnder(join(deps, 'envoy-api'))) {
    const isV3 = /\/v3(alpha)?\//.test(path) || path.startsWith('envoy/annotations/');
    const isUnversioned = /^envoy\/extensions\//.test(path) && !/\/v\d/.test(path);
    if ((isV3 || isUnversioned) && !unresolvable.test(path)) copy(join(deps, 'envoy-api'), path);
  }
  for (const path of protosUnder(join(deps, 'xds'))) copy(join(deps, 'xds'), path);
  for (const path of protosUnder(join(deps, 'googleapis'))) {
    if (/^google\/(rpc\/status|api\/(annotations|http|expr\/v1alpha1\/(checked|syntax)|field_behavior))\.proto$/.test(path)) {
      copy(join(deps, 'googleapis'), path);
    }
  }
  copy(join(deps, 'protoc-gen-validate'), 'validate/validate.proto', addIgnoreEmpty);
  edit('envoy/config/trace/v3/trace.proto', (text) => text.replace(/^import .*opencensus.*\r?\n/gm, ''));
  rmSync(join(root, 'envoy/config/trace/v3/opencensus.proto'), { force: true });
  writeFileSync(join(root, 'buf.yaml'), 'version: v2\n');

  rmSync(output, { recursive: true, force: true });
  mkdirSync(output, { recursive: true });
  buf('build', '--exclude-source-info', '-o', join(output, 'descriptors.binpb'));
  writeFileSync(
    join(root, 'buf.gen.yaml'),
    JSON.stringify({
      version: 'v2',
      plugins: [
        {
          local: [process.execPath, join(project, 'node_modules/@bufbuild/protoc-gen-es/bin/protoc-gen-es')],
          out: output,
          opt: ['target=js+dts', 'import_extension=js'],
          include_imports: true,
          strategy: 'all',
        },
      ],
    }),
  );
  const paths = typedPaths.filter((path) => existsSync(join(root, path))).flatMap((path) => ['--path', path]);
  buf('generate', '--template', 'buf.gen.yaml', ...paths);
  writeFileSync(stamp, fingerprint);
} finally {
  rmSync(root, { recursive: true, force: true });
}

function protosUnder(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter(
    (path) => path.endsWith('.proto') && statSync(join(directory, path)).isFile(),
  );
}

function copy(from: string, path: string, change?: (text: string) => string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  cpSync(join(from, path), join(root, path));
  if (change) edit(path, change);
}

function edit(path: string, change: (text: string) => string): void {
  const file = join(root, path);
  writeFileSync(file, change(readFileSync(file, 'utf8')));
}

/** grpc-js-xds ships a validate.proto older than the field `ignore_empty` that Envoy's protos use. */
function addIgnoreEmpty(text: string): string {
  return text.replace(/^message (\w+Rules) \{$/gm, (line, name: string) =>
    name === 'FieldRules' ? line : `${line}\n    optional bool ignore_empty = 1000;`,
  );
}

function buf(...args: string[]): void {
  const command = join(project, 'node_modules/.bin/buf');
  try {
    execFileSync(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: Buffer; stderr?: Buffer };
    throw new Error(`${relative(project, command)} ${args[0]} failed:\n${stdout ?? ''}${stderr ?? ''}`, { cause: error });
  }
}
