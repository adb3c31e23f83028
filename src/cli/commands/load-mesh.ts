import { meshKinds } from '../../api/index.ts';
import { createMeshControllers } from '../../controllers/index.ts';
import { Mesh } from '../../mesh/mesh.ts';
import { defaultMeshConfig, type MeshConfig } from '../../mesh/mesh-config.ts';
import { parseObjectKey } from '../../mesh/object-key.ts';
import { explainPrecedence } from '../../mesh/service.ts';
import { Cache } from '../../runtime/cache/cache.ts';
import { silentLogger } from '../../runtime/logger.ts';
import type { DeepReadonly, KubernetesObject } from '../../runtime/object.ts';

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

/** What objects take from each other: hosts, addresses and ports that two of them claim. */
export function describeConflicts(mesh: Mesh): { object: string; message: string }[] {
  return [...mesh.verdicts.keys()].sort().flatMap((key) => {
    const { kind, namespace, name } = parseObjectKey(key);
    const object = `${kind} ${namespace}/${name}`;
    return mesh.services.outcomes(key).flatMap(({ hostname, service, lostHost, lostAddresses }) => [
      ...(lostHost
        ? [
            {
              object,
              message: `host ${hostname} is claimed by ${lostHost.winner.owner}, ${explainPrecedence(lostHost.winner, service.spec)}`,
            },
          ]
        : []),
      ...lostAddresses.map(({ address, port, winner }) => ({
        object,
        message: `address ${address} port ${port} is claimed by ${winner.owner}, which is older and wins`,
      })),
    ]);
  });
}
