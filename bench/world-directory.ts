import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { KubernetesObject } from '../src/runtime/object.ts';
import { nowMs } from './clock.ts';
import { namespaceSidecar, sharedEntry, sharedNamespace, type WorldShape, worldNamespaces } from './worlds.ts';

/** A world as a directory of YAML: a file for each namespace's entries, one for each Sidecar, one for each shared entry. */
export class WorldDirectory implements Disposable {
  readonly path: string;

  constructor(shape: WorldShape) {
    this.path = mkdtempSync(join(tmpdir(), 'weft-bench-'));
    for (const [namespace, objects] of worldNamespaces(shape)) {
      this.#write(`entries/${namespace}.yaml`, objects);
      if (shape.sidecars) this.#write(sidecarFile(namespace), [namespaceSidecar(namespace)]);
    }
    this.#write(sharedFile('moving'), [sharedEntry('moving')]);
  }

  /** Puts a file in place of another, or where there was none, by an atomic rename. Answers when that was. */
  replace(name: string, ...objects: KubernetesObject[]): number {
    this.#write(`.${sharedNamespace}.next`, objects);
    const at = nowMs();
    renameSync(join(this.path, `.${sharedNamespace}.next`), join(this.path, name));
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

/** The file of a namespace's Sidecar. */
export function sidecarFile(namespace: string): string {
  return `sidecars/${namespace}.yaml`;
}

/** The file of a shared entry. */
export function sharedFile(name: string): string {
  return `${sharedNamespace}/${name}.yaml`;
}

/** Block style, as people write it: how fast YAML is read depends on that. */
function renderYaml(value: unknown, indent: string): string {
  const items: [head: string, item: unknown][] = Array.isArray(value)
    ? value.map((item) => ['-', item])
    : Object.entries(value as object).map(([key, item]) => [`${key}:`, item]);
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
