import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { serviceEntryKind } from '../../api/index.ts';
import { Cache } from '../../runtime/cache/cache.ts';
import { Client } from '../../runtime/client/client.ts';
import { describeApi } from '../../runtime/testing/describe-api.ts';
import { replicasInCluster } from './find-in-cluster.ts';

describeApi(
  'replicasInCluster',
  (env) => {
    it('knows the generation of an object that whoever asks may read', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'weft-kubeconfig-'));
      onTestFinished(() => rm(folder, { recursive: true }));
      const replicasFor = async (name: string, kubeConfig: { exportConfig(): string }) => {
        const kubeconfig = join(folder, name);
        await writeFile(kubeconfig, kubeConfig.exportConfig());
        const replicas = replicasInCluster({ kubeconfig, operatorNamespace: 'weft-system' })!;
        onTestFinished(() => replicas.close());
        return replicas;
      };
      const replicas = await replicasFor('admin', env().kubeConfig);
      expect(await replicas.generationOf!('ServiceEntry', 'default/api')).toBeUndefined();
      const client = new Client({ rest: env().rest, cache: new Cache(), fieldManager: 'test' });
      for (const host of ['a.example.com', 'b.example.com']) {
        const spec = { hosts: [host], ports: [{ number: 80, name: 'http', protocol: 'HTTP' }], resolution: 'NONE' };
        await client.apply(serviceEntryKind, { metadata: { namespace: 'default', name: 'api' }, spec });
      }
      expect(await replicas.generationOf!('ServiceEntry', 'default/api')).toBe(2);
      const nobody = await replicasFor('nobody', await env().createUser('nobody'));
      expect(await nobody.generationOf!('ServiceEntry', 'default/api')).toBeUndefined();
    });
  },
  { crdPaths: ['crds'] },
);
