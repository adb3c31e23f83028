import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { silentLogger } from '../logger.ts';
import { unreachableKubeConfig } from '../testing/kube-config.ts';
import { loadKubeConfig } from './kube-config.ts';
import { Manager } from './manager.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kube-config-'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

describe('kubeconfig', () => {
  it('is read from a file, or from where kubectl looks', async () => {
    const file = join(folder, 'config');
    await writeFile(file, unreachableKubeConfig('https://192.0.2.1').exportConfig());
    expect(loadKubeConfig({ file }).getCurrentCluster()!.server).toBe('https://192.0.2.1');
    vi.stubEnv('KUBECONFIG', file);
    expect(loadKubeConfig().getCurrentCluster()!.server).toBe('https://192.0.2.1');
    expect(() => loadKubeConfig({ context: 'prod' })).toThrow(
      `${file}: the current context "prod" names no cluster; contexts are: none`,
    );
  });

  it('says which file cannot be read', async () => {
    const missing = join(folder, 'missing');
    expect(() => loadKubeConfig({ file: missing })).toThrow(`cannot read the kubeconfig from ${missing}: ENOENT`);
    const broken = join(folder, 'broken');
    await writeFile(broken, 'a: [');
    expect(() => loadKubeConfig({ file: broken })).toThrow(`cannot read the kubeconfig from ${broken}`);
  });

  it('that was given is enough: a default that is broken is not read', () => {
    vi.stubEnv('KUBECONFIG', join(folder, 'missing'));
    const kubeConfig = unreachableKubeConfig();
    const manager = new Manager({ kubeConfig, logger: silentLogger, processMetrics: false });
    expect(manager.kubeConfig).toBe(kubeConfig);
    expect(manager.rest.host).toBe('127.0.0.1:1');
    // What stood in for the default is gone again.
    expect(() => new KubeConfig().loadFromDefault()).toThrow('ENOENT');
  });

  it('must name a cluster', () => {
    expect(() => new Manager({ kubeConfig: new KubeConfig(), logger: silentLogger })).toThrow(/names no cluster/);
  });
});
