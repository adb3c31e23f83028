import fc from 'fast-check';
import { isInvalid } from '../../runtime/client/api-error.ts';
import { objectPath } from '../../runtime/client/resource-path.ts';
import type { RestClient } from '../../runtime/client/rest-client.ts';
import type { KubernetesObject } from '../../runtime/object.ts';
import { kindOf } from '../load-mesh.ts';
import type { Random } from './random.ts';
import { arbitrarySoakObject } from './soak-objects.ts';

/** How many random objects are made at a time. */
const batch = 500;

/** Changes objects of all kinds at random, past any fault. */
export class SoakWorld {
  readonly #rest: RestClient;
  readonly #random: Random;
  readonly #present = new Map<string, KubernetesObject>();
  #coming: KubernetesObject[] = [];
  readonly counts = { applied: 0, replaced: 0, deleted: 0, refused: 0 };

  constructor(rest: RestClient, random: Random) {
    this.#rest = rest;
    this.#random = random;
  }

  /** Applies a random object, or deletes one. */
  async step(): Promise<void> {
    if (this.#present.size > 0 && this.#random.chance(25)) {
      const [path, object] = this.#random.pick([...this.#present]);
      await this.#delete(path, object);
      this.counts.deleted++;
      return;
    }
    const object = this.#next();
    const path = pathOf(object);
    try {
      await this.#apply(path, object);
      this.counts.applied++;
    } catch (error) {
      if (!isInvalid(error)) throw error;
      // A field that cannot be changed: somebody would make the object anew.
      const isRefused = await this.#replace(path, object);
      this.counts[isRefused ? 'refused' : 'replaced']++;
      if (isRefused) return;
    }
    // A namespace that is deleted here would be for good: nothing ends it.
    if (object.kind !== 'Namespace') this.#present.set(path, object);
  }

  #next(): KubernetesObject {
    if (this.#coming.length === 0)
      this.#coming = fc.sample(arbitrarySoakObject, { seed: this.#random.below(2 ** 31), numRuns: batch });
    return this.#coming.pop()!;
  }

  async #replace(path: string, object: KubernetesObject): Promise<boolean> {
    if (this.#present.has(path)) await this.#delete(path, object);
    try {
      await this.#apply(path, object);
      return false;
    } catch (error) {
      if (!isInvalid(error)) throw error;
      return true;
    }
  }

  async #apply(path: string, object: KubernetesObject): Promise<void> {
    const { status, ...body } = object as KubernetesObject & { status?: object };
    const query = { fieldManager: 'soak', force: true };
    const contentType = 'application/apply-patch+yaml';
    await this.#rest.request({ method: 'PATCH', path, query, body, contentType });
    if (!status) return;
    const { apiVersion, kind, metadata } = object;
    const own = { apiVersion, kind, metadata: { name: metadata.name, namespace: metadata.namespace }, status };
    await this.#rest.request({ method: 'PATCH', path: `${path}/status`, query, body: own, contentType });
  }

  async #delete(path: string, object: KubernetesObject): Promise<void> {
    await this.#rest.request({ method: 'DELETE', path, ...(object.kind === 'Pod' ? { query: { gracePeriodSeconds: 0 } } : {}) });
    this.#present.delete(path);
  }
}

function pathOf(object: KubernetesObject): string {
  const { name, namespace } = object.metadata;
  return objectPath(kindOf(object), namespace ? `${namespace}/${name}` : name);
}
