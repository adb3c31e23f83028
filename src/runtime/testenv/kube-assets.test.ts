import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findKubeAssets } from './kube-assets.ts';

describe('findKubeAssets', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'assets-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('says which program is missing and how to have it', async () => {
    writeFileSync(join(directory, 'etcd'), '');
    chmodSync(join(directory, 'etcd'), 0o755);
    writeFileSync(join(directory, 'kube-apiserver'), 'not executable');
    chmodSync(join(directory, 'kube-apiserver'), 0o644);
    const answer = await findKubeAssets({ KUBEBUILDER_ASSETS: directory });
    expect(answer).toEqual({
      ok: false,
      why: `KUBEBUILDER_ASSETS is ${directory}, where these programs are missing: kube-apiserver`,
      remedy: expect.stringContaining('setup-envtest'),
    });
  });

  it('finds them where the variable says', async () => {
    for (const name of ['etcd', 'kube-apiserver']) writeFileSync(join(directory, name), '', { mode: 0o755 });
    expect(await findKubeAssets({ KUBEBUILDER_ASSETS: directory })).toEqual({
      ok: true,
      assets: { directory, etcd: join(directory, 'etcd'), apiServer: join(directory, 'kube-apiserver') },
    });
  });
});
