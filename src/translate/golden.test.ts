import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments, stringify } from 'yaml';
import { resourceToJson } from '../envoy/registry.ts';
import { pushOrder, type Resource } from '../envoy/resource.ts';
import type { ProxyNode } from '../mesh/proxy.ts';
import { parseObjects, proxyNode, startTestMesh } from '../testing/load-mesh.ts';
import { MeshClasses } from '../xds/mesh-classes.ts';
import { findInconsistencies } from './consistency.ts';

/** `UPDATE_GOLDEN=1 npm test` (or `npm run golden`) rewrites every expectation. */
const isUpdate = process.env.UPDATE_GOLDEN === '1';
const directory = join(import.meta.dirname, 'testdata');

interface Header {
  /** Which proxy asks. */
  readonly proxy?: Partial<ProxyNode>;
  readonly mesh?: Record<string, unknown>;
  /** Resources to show, by `type/name` with `*`; default: all but the fixed ones. */
  readonly show?: string[];
}

describe('translation', () => {
  for (const file of readdirSync(directory).filter((name) => name.endsWith('.in.yaml'))) {
    it(file.replace('.in.yaml', ''), async () => {
      const text = readFileSync(join(directory, file), 'utf8');
      const header = (parseAllDocuments(text)[0]!.toJS() ?? {}) as Header;
      const objects = parseObjects(text.split('\n---\n').slice(1).join('\n---\n'));
      const test = await startTestMesh(header.mesh);
      try {
        await test.apply(...objects);
        for (const key of test.mesh.verdicts.keys())
          expect(test.mesh.verdicts.get(key), key).toMatchObject({ outcome: 'accepted' });
        const proxyClass = new MeshClasses(test.mesh).join(proxyNode(header.proxy));
        const resources = pushOrder.flatMap((typeUrl) => [...proxyClass.table(typeUrl).values()]);
        expect(findInconsistencies(resources)).toEqual([]);
        const actual = render(resources, header.show);
        const expected = join(directory, file.replace('.in.yaml', '.out.yaml'));
        if (isUpdate || !existsSync(expected)) {
          if (process.env.CI && !isUpdate) throw new Error(`${expected} is missing`);
          writeFileSync(expected, actual);
        }
        expect(actual).toBe(readFileSync(expected, 'utf8'));
      } finally {
        await test.stop();
      }
    });
  }
});

const fixed = /^(Cluster\/(PassthroughCluster|BlackHoleCluster|InboundPassthroughCluster)|Listener\/virtual(Inbound|Outbound))$/;

function render(resources: readonly Resource[], show: readonly string[] | undefined): string {
  const shown = resources
    .map((resource) => ({ id: `${resource.typeUrl.slice(resource.typeUrl.lastIndexOf('.') + 1)}/${resource.name}`, resource }))
    .filter(({ id }) => (show ? show.some((pattern) => matches(pattern, id)) : !fixed.test(id)))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  return shown
    .map(({ id, resource }) =>
      stringify(
        { [id]: { from: [...resource.provenance], ...resourceToJson(resource) } },
        { lineWidth: 0, aliasDuplicateObjects: false },
      ),
    )
    .join('---\n');
}

function matches(pattern: string, id: string): boolean {
  return pattern.endsWith('*') ? id.startsWith(pattern.slice(0, -1)) : id === pattern;
}
