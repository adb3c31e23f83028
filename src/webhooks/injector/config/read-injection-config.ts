import { LineCounter, parseDocument } from 'yaml';
import { FindingList, formatFinding, Place } from '../../../api/finding.ts';
import { readLabelSelector } from '../../../api/label-selector.ts';
import { compileStructure } from '../../../api/structure.ts';
import { BadValue, readComponentLogLevel, readImage, readLogLevel, type ValueReader } from '../annotations/values.ts';
import { isIstiosProxy, istiosProxyWarning } from '../containers/istios-proxy.ts';
import { isMore } from '../containers/quantity.ts';
import { checkChartValues, defaultReleaseNamespace, isOfChart, namesOfRelease } from './chart-values.ts';
import { defaultInjectionConfig, type InjectionConfig } from './injection-config.ts';
import { injectionConfigSchema } from './schema.ts';

/** An injection configuration file, read. */
export interface InjectionConfigText {
  readonly config: InjectionConfig;
  /** Why it must not be used, one line each, as `file:line:column: field: message`; empty: it may be. */
  readonly errors: readonly string[];
  /** What has no effect, in the same form. */
  readonly warnings: readonly string[];
  /** Of the chart's values: the text of `meshConfig` at its line and column, nothing around it. Absent: they have none. */
  readonly meshConfigText?: string;
}

const checkStructure = compileStructure(injectionConfigSchema);

/**
 * Reads an injection configuration: YAML, laid over the defaults field by field; lists replace, and `null` takes a default away. Of the
 * chart's values, which hold it under `injection`, what the chart makes of them for a release.
 * @param file how problems name it
 * @param namespace of the release, where these are the chart's values
 */
export function readInjectionConfig(
  text: string,
  file: string,
  namespace: string = defaultReleaseNamespace,
): InjectionConfigText {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const failed = (...errors: string[]): InjectionConfigText => ({ config: defaultInjectionConfig, errors, warnings: [] });
  if (document.errors.length) return failed(...document.errors.map(({ pos, message }) => `${at(pos[0])}: YAML: ${message}`));
  const content = document.toJS({ maxAliasCount: 100 }) as unknown;
  if (content === null || content === undefined) return { config: defaultInjectionConfig, errors: [], warnings: [] };
  if (!isMap(content)) return failed(`${at(0)}: expected a map of fields`);

  const findings = new FindingList();
  const root = new Place(findings);
  const isChart = isOfChart(content);
  if (isChart) checkChartValues(content, root);
  const overlaid = () => (isChart ? layRelease(content, namespace) : overlay(defaultInjectionConfig, content)) as InjectionConfig;
  const config = findings.errorCount === 0 ? withSecretNames(overlaid()) : defaultInjectionConfig;
  const place = isChart ? root.at('injection') : root;
  checkStructure(config, place);
  if (findings.errorCount === 0) checkMeaning(config, place);
  const locate = (wanted: 'error' | 'warning'): string[] =>
    findings
      .toArray()
      .filter(({ severity }) => severity === wanted)
      .map((finding) => `${at(offsetOf(document, finding.segments))}: ${formatFinding(finding)}`);
  return {
    config: findings.errorCount === 0 ? config : defaultInjectionConfig,
    errors: locate('error'),
    warnings: locate('warning'),
    ...(isChart && isMap(content.meshConfig) && { meshConfigText: partOf(text, document, 'meshConfig') }),
  };
}

/** The configuration of a release of the chart: its names over the defaults, `injection` over both. */
function layRelease(values: Readonly<Record<string, unknown>>, namespace: string): unknown {
  const { enableNamespacesByDefault, ...injection } = (values.injection ?? {}) as Record<string, unknown>;
  // The chart has a default of its own, and `null` takes only that away.
  const given = enableNamespacesByDefault === null ? injection : values.injection;
  const named = overlay(defaultInjectionConfig, namesOfRelease(values, namespace));
  const config = overlay(named, given ?? {}) as Record<string, unknown>;
  const { ignoredNamespaces: ignored = [] } = config;
  return Array.isArray(ignored) ? { ...config, ignoredNamespaces: [...new Set([namespace, ...ignored])] } : config;
}

/** The value of a field alone, with blanks before it, so that problems in it are told where they are. */
function partOf(text: string, document: ReturnType<typeof parseDocument>, field: string): string {
  const [start, end] = (document.get(field, true) as { range: [number, number, number] }).range;
  return text.slice(0, start).replaceAll(/[^\r\n]/g, ' ') + text.slice(start, end);
}

/** Where the deepest part of a path is written that is written at all. */
function offsetOf(document: ReturnType<typeof parseDocument>, segments: readonly (string | number)[]): number {
  for (let length = segments.length; length > 0; length--) {
    const node = document.getIn(segments.slice(0, length), true) as { range?: [number, number, number] } | undefined;
    if (node?.range) return node.range[0];
  }
  return 0;
}

function overlay(base: unknown, given: unknown): unknown {
  if (!isMap(base) || !isMap(given)) return given;
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(given)) {
    if (value === null) delete merged[key];
    else merged[key] = Object.hasOwn(merged, key) ? overlay(merged[key], value) : value;
  }
  return merged;
}

/** Pull secrets may be written as in a pod's spec, `{name: x}`, too. What is neither stays, to be refused. */
function withSecretNames(config: InjectionConfig): InjectionConfig {
  const { imagePullSecrets: secrets } = config as { readonly imagePullSecrets: unknown };
  if (!Array.isArray(secrets)) return config;
  const nameOf = (secret: unknown) => (isMap(secret) && Object.keys(secret).join() === 'name' ? secret.name : secret);
  return { ...config, imagePullSecrets: secrets.map(nameOf) as string[] };
}

function checkMeaning(config: InjectionConfig, root: Place): void {
  for (const field of ['neverInjectSelector', 'alwaysInjectSelector'] as const) {
    for (const [index, selector] of config[field].entries()) {
      const read = readLabelSelector(selector);
      if (!('problems' in read)) continue;
      for (const { path, message } of read.problems) {
        root.at(field, index).error(path === '' ? message : `${path}: ${message}`);
      }
    }
  }
  const isTemplate = (name: string): boolean =>
    name === 'sidecar' || Object.hasOwn(config.templates, name) || Object.hasOwn(config.templateAliases, name);
  const known = ['sidecar', ...Object.keys(config.templates), ...Object.keys(config.templateAliases)].join(', ');
  for (const [index, name] of config.defaultTemplates.entries()) {
    if (!isTemplate(name)) root.at('defaultTemplates', index).error(`there is no template ${name}; there are ${known}`);
  }
  const { requests = {}, limits = {} } = config.proxy.resources;
  for (const [resource, request] of Object.entries(requests)) {
    const limit = limits[resource];
    if (limit === undefined || !isMore(request, limit)) continue;
    root
      .at('proxy', 'resources', 'requests', resource)
      .error(`must not be more than the limit, which is ${JSON.stringify(limit)}`);
  }
  if (isIstiosProxy(config.proxy.image)) root.at('proxy', 'image').warning(istiosProxyWarning(config.proxy.image));
  const { proxy } = config;
  checkValue(readImage, proxy.image, root.at('proxy', 'image'));
  checkValue(readImage, config.init.image, root.at('init', 'image'));
  checkValue(readLogLevel, proxy.logLevel, root.at('proxy', 'logLevel'));
  checkValue(readComponentLogLevel, proxy.componentLogLevel, root.at('proxy', 'componentLogLevel'));
  if (!/:\d{1,5}$/.test(config.xds.address)) root.at('xds', 'address').error('must be HOST:PORT');
}

/** What may stand in an annotation may stand here, and nothing else: a sidecar would not start. */
function checkValue(read: ValueReader<unknown>, text: string, place: Place): void {
  try {
    read(text);
  } catch (error) {
    if (!(error instanceof BadValue)) throw error;
    place.error(error.message);
  }
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
