import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { readMeshConfig } from '../../../mesh/read-mesh-config.ts';
import { readInjectionConfig } from '../config/read-injection-config.ts';
import type { InjectionRequest } from '../injection.ts';
import type { Pod } from '../pod.ts';

/** The first document of a case. */
export interface CaseHeader {
  /** Over the defaults. */
  readonly config?: unknown;
  readonly mesh?: unknown;
  /** Default: shop, with injection enabled. */
  readonly namespace?: InjectionRequest['namespace'];
  /** Parts of the bootstrap to show, as paths: `node`, `static_resources.listeners.0`. Default: none. */
  readonly bootstrap?: readonly string[];
  /** Whether to show the init container's rules. Default: no. */
  readonly rules?: boolean;
}

/** Where the cases are. */
export const caseDirectory = join(import.meta.dirname, '../testdata');

/** The names of all cases. */
export const caseNames: readonly string[] = readdirSync(caseDirectory)
  .filter((name) => name.endsWith('.in.yaml'))
  .map((name) => name.replace('.in.yaml', ''));

/** Reads a case. Throws on a configuration that is not good. */
export function readCase(name: string): { header: CaseHeader; request: InjectionRequest } {
  const documents = parseAllDocuments(readFileSync(join(caseDirectory, `${name}.in.yaml`), 'utf8'));
  const [header, pod] = documents.map((document) => document.toJS()) as [CaseHeader | null, Pod];
  const { config: values = {}, mesh = {}, namespace = { name: 'shop', labels: { 'istio-injection': 'enabled' } } } = header ?? {};
  const config = readInjectionConfig(JSON.stringify(values), 'config');
  const meshConfig = readMeshConfig(JSON.stringify(mesh), 'mesh');
  const problems = [...config.errors, ...config.warnings, ...meshConfig.errors, ...meshConfig.warnings];
  if (problems.length) throw new Error(`${name}: ${problems.join('; ')}`);
  return { header: header ?? {}, request: { pod, namespace, config: config.config, meshConfig: meshConfig.config } };
}
