import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { KubernetesObject } from '../src/runtime/object.ts';
import { nowMs } from './clock.ts';
import { changingEntry, namespaceSidecar, sharedNamespace, type WorldShape, worldNamespaces } from './worlds.ts';

/** The objects of a file, by its name. */
export type WorldFile = readonly [name: string, objects: readonly KubernetesObject[]];

/** A world as a directory of YAML. */
export class WorldDirectory implements Disposable {
  readonly path: string;

  constructor(files: Iterable<WorldFile>) {
    this.path = mkdtempSync(join(tmpdir(), 'weft-bench-'));
    for (const [name, objects] of files) this.#write(name, objects);
  }

  /** Puts a file in place of another, or where there was none, by an atomic rename. Answers when that was. */
  replace(name: string, ...objects: KubernetesObject[]): number {
    this.#write('.next', objects);
    mkdirSync(dirname(join(this.path, name)), { recursive: true });
    const at = nowMs();
    renameSync(join(this.path, '.next'), join(this.path, name));
    return at;
  }

  remove(name: string): void {
    rmSync(join(this.path, name));
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }

  #write(name: string, objects: readonly KubernetesObject[]): void {
    const path = join(this.path, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, objects.map((object) => renderYaml(object, '')).join('---\n'));
  }
}

/** A file for each namespace's entries, one for each Sidecar, one for each shared entry. */
export function* worldFiles(shape: WorldShape): Generator<WorldFile> {
  for (const [namespace, objects] of worldNamespaces(shape)) {
    yield [`entries/${namespace}.yaml`, objects];
    if (shape.sidecars) yield [fileOf('sidecars', namespace), [namespaceSidecar(namespace)]];
  }
  yield [fileOf(sharedNamespace, 'moving'), [changingEntry('moving', sharedNamespace)]];
}

/** The file of an object that changes by itself. */
export function fileOf(directory: string, name: string): string {
  return `${directory}/${name}.yaml`;
}

/** Block style, as people write it: how fast YAML is read depends on that. */
function renderYaml(value: unknown, indent: string): string {
  const items: [head: string, item: unknown][] = Array.isArray(value)
    ? value.map((item) => ['-', item])
    : Object.entries(value as object).map(([key, item]) => [`${renderScalar(key)}:`, item]);
  return items
    .map(([head, item]) => {
      if (typeof item !== 'object') return `${indent}${head} ${renderScalar(item)}\n`;
      const body = renderYaml(item, `${indent}  `);
      return head === '-' ? `${indent}- ${body.slice(indent.length + 2)}` : `${indent}${head}\n${body}`;
    })
    .join('');
}

function renderScalar(value: unknown): string {
  return typeof value === 'string' && /^[a-zA-Z][\w./-]*$/.test(value) ? value : JSON.stringify(value);
}
