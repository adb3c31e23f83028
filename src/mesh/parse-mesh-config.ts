import { LineCounter, parseDocument } from 'yaml';
import { subnetProblem } from '../api/address.ts';
import { parseDurationMs } from '../api/duration.ts';
import { readLabelSelector } from '../api/label-selector.ts';
import { defaultMeshConfig, type MeshConfig } from './mesh-config.ts';
import { readProxyConfig } from './proxy-config.ts';

/** A problem of a mesh config, at its place in the file. */
export interface MeshConfigProblem {
  readonly severity: 'error' | 'warning';
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** Reads one field into a partial config, or says why it cannot be. */
type FieldReader = (value: unknown) => Partial<MeshConfig> | string;

const readers: Record<string, FieldReader> = {
  rootNamespace: (value) => (typeof value === 'string' && value !== '' ? { rootNamespace: value } : 'expected a namespace'),
  discoverySelectors: (value) => {
    if (!Array.isArray(value)) return 'expected a list of label selectors';
    const read = value.map(readLabelSelector);
    const problems = read.flatMap((result, index) =>
      'problems' in result
        ? result.problems.map(({ path, message }) => `[${index}]${path === '' ? '' : `.${path}`}: ${message}`)
        : [],
    );
    if (problems.length) return problems.join('; ');
    return { discoverySelectors: read.flatMap((result) => ('selector' in result ? [result.selector] : [])) };
  },
  outboundTrafficPolicy: (value) => {
    const mode = isMap(value) ? (value.mode ?? 'ALLOW_ANY') : undefined;
    return mode === 'ALLOW_ANY' || mode === 'REGISTRY_ONLY'
      ? { outboundTrafficPolicy: { mode } }
      : 'expected a map with a mode of ALLOW_ANY or REGISTRY_ONLY';
  },
  accessLogFile: (value) => (typeof value === 'string' ? { accessLogFile: value } : 'expected a path'),
  accessLogFormat: (value) => (typeof value === 'string' ? { accessLogFormat: value } : 'expected a format string'),
  accessLogEncoding: (value) => (value === 'TEXT' || value === 'JSON' ? { accessLogEncoding: value } : 'expected TEXT or JSON'),
  connectTimeout: (value) => readDuration(value, 1, (connectTimeoutMs) => ({ connectTimeoutMs })),
  protocolDetectionTimeout: (value) => readDuration(value, 0, (protocolDetectionTimeoutMs) => ({ protocolDetectionTimeoutMs })),
  dnsRefreshRate: (value) => readDuration(value, 1, (dnsRefreshRateMs) => ({ dnsRefreshRateMs })),
  defaultConfig: (value) => {
    const { config, problems } = readProxyConfig(value);
    return problems.length ? `.${problems.join('; ')}` : { defaultConfig: config };
  },
  enablePrometheusMerge: (value) => (typeof value === 'boolean' ? { enablePrometheusMerge: value } : 'expected true or false'),
  automaticAddresses: (value) => {
    if (!isMap(value)) return 'expected a map with ipv4 and ipv6';
    const { ipv4 = defaultMeshConfig.automaticAddresses.ipv4, ipv6 = defaultMeshConfig.automaticAddresses.ipv6 } = (value ??
      {}) as { ipv4?: unknown; ipv6?: unknown };
    for (const cidr of [ipv4, ipv6]) {
      if (cidr !== '' && (typeof cidr !== 'string' || !cidr.includes('/') || subnetProblem(cidr)))
        return `expected ipv4 and ipv6 as CIDRs, or empty for none; found ${JSON.stringify(cidr)}`;
    }
    return { automaticAddresses: { ipv4: ipv4 as string, ipv6: ipv6 as string } };
  },
};

/** Reads a MeshConfig from YAML. Unknown keys are warnings: a file made for Istio works as it is. */
export function parseMeshConfig(text: string): { config: MeshConfig; problems: MeshConfigProblem[] } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const problems: MeshConfigProblem[] = [];
  const report = (severity: MeshConfigProblem['severity'], offset: number, message: string) => {
    const { line, col } = lines.linePos(offset);
    problems.push({ severity, line, column: col, message });
  };
  for (const error of document.errors) report('error', error.pos[0], `YAML: ${error.message}`);
  if (problems.length) return { config: defaultMeshConfig, problems };
  const value = document.toJS() as unknown;
  if (value === null || value === undefined) return { config: defaultMeshConfig, problems };
  if (typeof value !== 'object' || Array.isArray(value)) {
    report('error', 0, 'expected a map of MeshConfig fields');
    return { config: defaultMeshConfig, problems };
  }
  let config = defaultMeshConfig;
  for (const [name, content] of Object.entries(value)) {
    const node = document.get(name, true) as { range?: [number, number, number] } | undefined;
    const offset = node?.range?.[0] ?? 0;
    const read = Object.hasOwn(readers, name) ? readers[name]! : undefined;
    if (!read) {
      report('warning', offset, `${name} means nothing to Weft and is ignored`);
      continue;
    }
    const result = read(content);
    if (typeof result === 'string') report('error', offset, `${name}${/^[[.]/.test(result) ? '' : ': '}${result}`);
    else config = { ...config, ...result };
    if (name === 'defaultConfig') {
      const { ignored, unknown } = readProxyConfig(content);
      for (const field of [...ignored, ...unknown])
        report('warning', offset, `defaultConfig.${field} means nothing to Weft and is ignored`);
    }
  }
  const problem = accessLogProblem(config);
  if (problem) report('error', 0, problem);
  return { config, problems };
}

function readDuration(
  value: unknown,
  leastMs: number,
  use: (milliseconds: number) => Partial<MeshConfig>,
): Partial<MeshConfig> | string {
  const milliseconds = typeof value === 'string' ? parseDurationMs(value) : undefined;
  if (milliseconds === undefined) return `expected a duration such as 10s, found ${JSON.stringify(value)}`;
  return milliseconds < leastMs ? `must be at least ${leastMs} ms, found ${JSON.stringify(value)}` : use(milliseconds);
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Why the access log's format does not fit its encoding. */
function accessLogProblem({ accessLogEncoding, accessLogFormat }: MeshConfig): string | undefined {
  if (accessLogEncoding !== 'JSON' || accessLogFormat === '') return undefined;
  try {
    return isMap(JSON.parse(accessLogFormat))
      ? undefined
      : 'accessLogFormat: with accessLogEncoding JSON it must be a JSON object';
  } catch (error) {
    return `accessLogFormat: with accessLogEncoding JSON it must be a JSON object: ${error instanceof Error ? error.message : String(error)}`;
  }
}
