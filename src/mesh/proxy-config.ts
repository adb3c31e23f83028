import { parse as parseYaml } from 'yaml';
import { parseDurationMs } from '../api/duration.ts';
import type { InterceptionMode } from './proxy.ts';

/**
 * What Istio's ProxyConfig says of a proxy, as far as Weft acts on it: from the mesh config's `defaultConfig`, and from a pod's
 * annotation `proxy.istio.io/config`. An absent field is not said.
 */
export interface ProxyConfig {
  /** Worker threads; 0: as many as the sidecar's CPU limit allows, which is the default. */
  readonly concurrency?: number;
  /** How long a draining proxy goes on asking its clients to leave, in milliseconds. Default 45 s. */
  readonly drainDurationMs?: number;
  /** How long a classic sidecar goes on working after its pod began to end, in milliseconds. Default 5 s. */
  readonly terminationDrainDurationMs?: number;
  /** The application starts only when the proxy is ready. Native sidecars do so anyway. */
  readonly holdApplicationUntilProxyStarts?: boolean;
  /** Environment of the proxy; what begins with `ISTIO_META_` is metadata of its node too. */
  readonly proxyMetadata?: Readonly<Record<string, string>>;
  /** Where the application's probes are served. Default 15020. */
  readonly statusPort?: number;
  /** Port of Envoy's admin page. Default 15000. */
  readonly proxyAdminPort?: number;
  readonly interceptionMode?: InterceptionMode;
  /** HOST:PORT of the control plane. */
  readonly discoveryAddress?: string;
  readonly meshId?: string;
  /** The proxy's `--service-cluster`. Default: its canonical name and namespace. */
  readonly serviceCluster?: string;
  /** IP:PORT of a statsd server. */
  readonly statsdUdpAddress?: string;
  /** Envoy's runtime flags. */
  readonly runtimeValues?: Readonly<Record<string, string>>;
}

/** A ProxyConfig, read. */
export interface ReadProxyConfig {
  readonly config: ProxyConfig;
  /** Each names a field and what is wrong with it; such a config must not be used. */
  readonly problems: readonly string[];
  /** Fields of Istio's that have no effect in Weft. */
  readonly ignored: readonly string[];
  /** Fields that Istio's ProxyConfig does not have either: slips, or of a later version. */
  readonly unknown: readonly string[];
}

type FieldReader = (value: unknown) => unknown;

/** Thrown by a reader: what was expected. */
class Unfit extends Error {}

const readers: Readonly<Record<string, readonly [keyof ProxyConfig, FieldReader]>> = {
  concurrency: ['concurrency', wholeNumber(0, 1024)],
  drainDuration: ['drainDurationMs', readDuration],
  terminationDrainDuration: ['terminationDrainDurationMs', readDuration],
  holdApplicationUntilProxyStarts: ['holdApplicationUntilProxyStarts', readBoolean],
  proxyMetadata: ['proxyMetadata', readEnvironment],
  statusPort: ['statusPort', wholeNumber(0, 65_535)],
  proxyAdminPort: ['proxyAdminPort', wholeNumber(1, 65_535)],
  interceptionMode: ['interceptionMode', readInterceptionMode],
  discoveryAddress: ['discoveryAddress', readHostPort],
  meshId: ['meshId', readText],
  serviceCluster: ['serviceCluster', readText],
  statsdUdpAddress: ['statsdUdpAddress', readHostPort],
  runtimeValues: ['runtimeValues', readStrings],
};

/** The rest of istio.mesh.v1alpha1.ProxyConfig. */
const ignoredFields: ReadonlySet<string> = new Set([
  'configPath',
  'binaryPath',
  'tracingServiceName',
  'parentShutdownDuration',
  'discoveryRefreshDelay',
  'zipkinAddress',
  'connectTimeout',
  'envoyMetricsServiceAddress',
  'availabilityZone',
  'controlPlaneAuthPolicy',
  'customConfigFile',
  'statNameLength',
  'proxyBootstrapTemplatePath',
  'tracing',
  'sds',
  'envoyAccessLogService',
  'envoyMetricsService',
  'extraStatTags',
  'gatewayTopology',
  'readinessProbe',
  'proxyStatsMatcher',
  'caCertificatesPem',
  'image',
  'privateKeyProvider',
  'proxyHeaders',
  'fileFlushInterval',
  'fileFlushMinSizeKb',
  'statsCompression',
  'connectionSettings',
]);

/** Every field that has an effect, for messages and documents. */
export const proxyConfigFields: readonly string[] = Object.keys(readers);

/** Reads a ProxyConfig from YAML: the value of the annotation `proxy.istio.io/config`. */
export function parseProxyConfig(text: string): ReadProxyConfig {
  let value: unknown;
  try {
    value = parseYaml(text, { maxAliasCount: 100 });
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n', 1)[0] : String(error);
    return { config: {}, problems: [`it is not YAML: ${reason}`], ignored: [], unknown: [] };
  }
  return readProxyConfig(value ?? {});
}

/** Reads a ProxyConfig from a value. Field names may be Istio's of JSON or of protobuf (`hold_application_until_proxy_starts`). */
export function readProxyConfig(value: unknown): ReadProxyConfig {
  if (!isMap(value)) return { config: {}, problems: ['expected a map of ProxyConfig fields'], ignored: [], unknown: [] };
  const config: Record<string, unknown> = {};
  const problems: string[] = [];
  const ignored: string[] = [];
  const unknown: string[] = [];
  for (const [given, content] of Object.entries(value)) {
    const name = given.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    const reader = Object.hasOwn(readers, name) ? readers[name] : undefined;
    if (!reader) {
      (ignoredFields.has(name) ? ignored : unknown).push(given);
      continue;
    }
    if (content === null) continue;
    try {
      config[reader[0]] = reader[1](content);
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      problems.push(`${given}: expected ${error.message}, found ${shown(content)}`);
    }
  }
  return { config, problems, ignored, unknown };
}

/** One config over another: the upper one's fields win, the maps are merged by key. */
export function mergeProxyConfig(lower: ProxyConfig, upper: ProxyConfig): ProxyConfig {
  const { proxyMetadata = lower.proxyMetadata && {}, runtimeValues = lower.runtimeValues && {} } = upper;
  return {
    ...lower,
    ...upper,
    ...(proxyMetadata && { proxyMetadata: { ...lower.proxyMetadata, ...proxyMetadata } }),
    ...(runtimeValues && { runtimeValues: { ...lower.runtimeValues, ...runtimeValues } }),
  };
}

function wholeNumber(least: number, most: number): FieldReader {
  return (value) => {
    const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
    if (!Number.isInteger(number) || (number as number) < least || (number as number) > most)
      throw new Unfit(`a whole number from ${least} to ${most}`);
    return number;
  };
}

function readDuration(value: unknown): number {
  const milliseconds = typeof value === 'string' ? parseDurationMs(value) : undefined;
  if (milliseconds === undefined || milliseconds < 0) throw new Unfit('a duration such as 5s');
  return milliseconds;
}

function readBoolean(value: unknown): boolean {
  if (typeof value !== 'boolean') throw new Unfit('true or false');
  return value;
}

function readText(value: unknown): string {
  if (typeof value !== 'string' || value === '') throw new Unfit('a text');
  return value;
}

function readHostPort(value: unknown): string {
  const port = typeof value === 'string' ? /^(?:\[[0-9A-Fa-f:.]+\]|[^\s:[\]]+):(\d{1,5})$/.exec(value)?.[1] : undefined;
  if (port === undefined || Number(port) < 1 || Number(port) > 65_535) throw new Unfit('HOST:PORT');
  return value as string;
}

function readInterceptionMode(value: unknown): InterceptionMode {
  if (value === 'REDIRECT' || value === 'TPROXY' || value === 'NONE') return value;
  throw new Unfit('REDIRECT, TPROXY or NONE');
}

/** A map of texts; YAML's bare numbers and booleans are taken as the text that they are written as. */
function readStrings(value: unknown): Record<string, string> {
  if (!isMap(value)) throw new Unfit('a map of texts');
  return Object.fromEntries(
    Object.entries(value).map(([key, content]) => {
      if (!['string', 'number', 'boolean'].includes(typeof content)) throw new Unfit('a map of texts');
      return [key, String(content)];
    }),
  );
}

/** What Kubernetes takes for the name of a variable: printable ASCII without `=`. */
function readEnvironment(value: unknown): Record<string, string> {
  const variables = readStrings(value);
  const bad = Object.keys(variables).find((name) => !/^[\x20-\x3c\x3e-\x7e]+$/.test(name));
  if (bad !== undefined) throw new Unfit(`a map by names of environment variables, which ${JSON.stringify(bad)} is not`);
  return variables;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
