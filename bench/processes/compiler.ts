import { setImmediate } from 'node:timers/promises';
import { meshKindOf, meshKinds } from '../../src/api/index.ts';
import { createMeshControllers } from '../../src/controllers/index.ts';
import { Mesh } from '../../src/mesh/mesh.ts';
import { Cache } from '../../src/runtime/cache/cache.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import type { KubernetesObject } from '../../src/runtime/object.ts';
import { nowMs } from '../clock.ts';
import { type WorldShape, worldNamespaces } from '../worlds.ts';
import { serve } from './serve.ts';

/** What it took to compile a world. */
export interface Compilation {
  readonly objects: number;
  readonly tookMs: number;
  readonly cpuMs: number;
}

const operations = {
  /** Brings a world's objects through the controllers into an empty mesh. Answers how many objects, how long it took, and for how much CPU. */
  async compile({ shape }: { shape: WorldShape }): Promise<Compilation> {
    const objects = [...worldNamespaces(shape)].flatMap(([, each]) => each).map(asDelivered);
    const stop = new AbortController();
    const cache = new Cache();
    const mesh = new Mesh();
    const controllers = createMeshControllers({ cache, mesh, logger: silentLogger });
    const running = controllers.map((controller) => controller.start(stop.signal));
    await setImmediate();
    const cpuBefore = process.cpuUsage();
    const startedAtMs = nowMs();
    for (const kind of meshKinds)
      cache.store(kind).replace(objects.filter((object) => meshKindOf(object.apiVersion, object.kind) === kind));
    await Promise.all(controllers.map(({ caughtUp }) => caughtUp));
    const tookMs = nowMs() - startedAtMs;
    const { user, system } = process.cpuUsage(cpuBefore);
    stop.abort();
    await Promise.all(running);
    if (mesh.size !== objects.length) throw new Error(`${objects.length} objects went in, the mesh has ${mesh.size}`);
    return { objects: objects.length, tookMs, cpuMs: (user + system) / 1000 };
  },
};

/** With the metadata that a source adds. */
function asDelivered(object: KubernetesObject): KubernetesObject {
  const { name, namespace } = object.metadata;
  const added = {
    uid: `${object.kind}/${namespace}/${name}`,
    resourceVersion: '1',
    generation: 1,
    creationTimestamp: '2026-01-01T00:00:00Z',
  };
  return { ...object, metadata: { ...object.metadata, ...added } };
}

export type CompilerOperations = typeof operations;

serve(operations);
