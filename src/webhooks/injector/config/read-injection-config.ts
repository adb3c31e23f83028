import { LineCounter, parseDocument } from 'yaml';
import { FindingList, formatFinding, formatPath, Place } from '../../../api/finding.ts';
import { readLabelSelector } from '../../../api/label-selector.ts';
import { compileStructure } from '../../../api/structure.ts';
import { BadValue, readComponentLogLevel, readImage, readLogLevel, type ValueReader } from '../annotations/values.ts';
import { isIstiosProxy, istiosProxyWarning } from '../containers/istios-proxy.ts';
import { isMore } from '../containers/quantity.ts';
import { defaultInjectionConfig, type InjectionConfig } from './injection-config.ts';
import { injectionConfigSchema } from './schema.ts';

/** An injection configuration file, read. */
export interface InjectionConfigText {
  readonly config: InjectionConfig;
  /** Why it must not be used, one line each, as `file:line:column: field: message`; empty: it may be. */
  readonly errors: readonly string[];
  /** What has no effect, in the same form. */
  readonly warnings: readonly string[];
}

const checkStructure = compileStructure(injectionConfigSchema);

/**
 * Reads an injection configuration: YAML, laid over the defaults field by field; lists replace, and `null` takes a default away. Of the
 * chart's values, which hold it under `injection`, that part is read.
 * @param file how problems name it
 */
export function readInjectionConfig(text: string, file: string): InjectionConfigText {
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
  const isChartValues = isMap(content.injection);
  const given = isChartValues ? (content.injection as Record<string, unknown>) : content;
  const config = withSecretNames(overlay(defaultInjectionConfig, given) as InjectionConfig);

  const findings = new FindingList();
  const root = new Place(findings);
  checkStructure(config, root);
  if (findings.errorCount === 0) checkMeaning(config, root);
  const locate = (wanted: 'error' | 'warning'): string[] =>
    findings
      .toArray()
      .filter(({ severity }) => severity === wanted)
      .map((finding) => {
        const segments = isChartValues ? ['injection', ...finding.segments] : finding.segments;
        return `${at(offsetOf(document, segments))}: ${formatFinding({ ...finding, path: formatPath(segments) })}`;
      });
  return {
    config: findings.errorCount === 0 ? config : defaultInjectionConfig,
    errors: locate('error'),
    warnings: locate('warning'),
  };
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
