import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { pushOrder, type Resource } from '../../../envoy/resource.ts';
import type { ProxyNode } from '../../../mesh/proxy.ts';
import type { KubernetesObject } from '../../../runtime/object.ts';
import { parseObjects, proxyNode, startTestMesh } from '../../../testing/load-mesh.ts';
import { MeshClasses } from '../../../xds/mesh-classes.ts';

const directory = join(import.meta.dirname, '..', 'testdata');

/** One golden case: which proxy asks, what the mesh is made of, and the EnvoyFilters. */
export interface PatchCase {
  readonly name: string;
  /** The expectation's file. */
  readonly expected: string;
  readonly node: ProxyNode;
  readonly world: readonly KubernetesObject[];
  readonly filters: readonly KubernetesObject[];
}

/** The golden cases. Their first document names the proxy and the world, a file of testdata/worlds that their objects come on top of. */
export function readCases(): PatchCase[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.in.yaml'))
    .map((file) => {
      const text = readFileSync(join(directory, file), 'utf8');
      const [head, ...documents] = text.split('\n---\n');
      const header = parseAllDocuments(head!)[0]!.toJS() as { proxy?: Partial<ProxyNode>; world: string };
      const world = readFileSync(join(directory, 'worlds', `${header.world}.yaml`), 'utf8');
      const objects = parseObjects([world, ...documents].join('\n---\n'));
      return {
        name: file.replace('.in.yaml', ''),
        expected: join(directory, file.replace('.in.yaml', '.out.yaml')),
        node: proxyNode(header.proxy),
        world: objects.filter(({ kind }) => kind !== 'EnvoyFilter'),
        filters: objects.filter(({ kind }) => kind === 'EnvoyFilter'),
      };
    });
}

/** What a proxy of a world is served as long as no EnvoyFilter is there. */
export async function resourcesOf({ world, node }: Pick<PatchCase, 'world' | 'node'>): Promise<Resource[]> {
  const test = await startTestMesh();
  try {
    await test.apply(...world);
    const proxyClass = new MeshClasses(test.mesh).join(node);
    return pushOrder.flatMap((typeUrl) => [...proxyClass.table(typeUrl).values()]);
  } finally {
    await test.stop();
  }
}
