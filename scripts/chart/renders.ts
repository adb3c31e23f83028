import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';

/** Where the golden renders of the chart are, and the values that they are of. */
export const rendersFolder = join(import.meta.dirname, 'testdata');

/** The golden renders, by their file names. */
export const renders = readdirSync(rendersFolder).filter((name) => name.endsWith('.out.yaml'));

/** A Kubernetes object as the chart renders it. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Readonly<Record<string, string>> };
}

/** The objects of rendered YAML. */
export function parseManifests(yaml: string): Manifest[] {
  return parseAllDocuments(yaml).flatMap((each) => (each.toJS() as Manifest | null) ?? []);
}

/** The one object of a kind in a golden render; undefined: it has none. `T`: what else is read of it. */
export function readRender<T>(file: string, kind: string): (Manifest & T) | undefined {
  const found = parseManifests(readFileSync(join(rendersFolder, file), 'utf8')).find((manifest) => manifest.kind === kind);
  return found as (Manifest & T) | undefined;
}
