import { meshKinds } from '../../api/index.ts';
import { createMeshControllers } from '../../controllers/index.ts';
import { Mesh } from '../../mesh/mesh.ts';
import { defaultMeshConfig, type MeshConfig } from '../../mesh/mesh-config.ts';
import { parseObjectKey } from '../../mesh/object-key.ts';
import { Cache } from '../../runtime/cache/cache.ts';
import { silentLogger } from '../../runtime/logger.ts';
import type { DeepReadonly, KubernetesObject } from '../../runtime/object.ts';
import { decideAccepted } from '../../status/conditions.ts';

/** Takes objects into a mesh by the same controllers as a running control plane, once. */
export async function loadMesh(
  objects: readonly DeepReadonly<KubernetesObject>[],
  config: MeshConfig = defaultMeshConfig,
): Promise<Mesh> {
  const cache = new Cache();
  const mesh = new Mesh(config);
  const stop = new AbortController();
  const controllers = createMeshControllers({ cache, mesh, logger: silentLogger });
  const running = controllers.map((controller) => controller.start(stop.signal));
  for (const kind of meshKinds) cache.store(kind).replace(objects.filter((object) => object.kind === kind.kind));
  await Promise.all(controllers.map((controller) => controller.caughtUp));
  stop.abort();
  await Promise.all(running);
  return mesh;
}

/** What is wrong with an object beyond its own text: what it takes from others, or asks of Weft in vain. */
export interface MeshProblem {
  readonly severity: 'error' | 'warning';
  /** `Kind namespace/name` */
  readonly object: string;
  readonly message: string;
}

/** Objects that are valid and yet not, or not wholly, in force: by the same words as their status would say. */
export function findProblems(mesh: Mesh): MeshProblem[] {
  return [...mesh.verdicts.keys()].sort().flatMap((key): MeshProblem[] => {
    const verdict = mesh.verdicts.get(key)!;
    const { kind, namespace, name } = parseObjectKey(key);
    const fragment = mesh.get(key);
    const rival = fragment?.kind === 'sidecar' ? mesh.sidecars.rivalOf(fragment.sidecar, mesh.config.rootNamespace) : undefined;
    const accepted = decideAccepted({ verdict, hosts: mesh.services.outcomes(key), rival });
    if (accepted.status === 'True' || verdict.outcome === 'invalid') return [];
    const severity = verdict.outcome === 'unsupported' ? 'error' : 'warning';
    return [{ severity, object: `${kind} ${namespace}/${name}`, message: `${accepted.reason}: ${accepted.message}` }];
  });
}
