import { access, constants } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';

/** The programs of a control plane, by path. */
export interface KubeAssets {
  readonly directory: string;
  readonly etcd: string;
  readonly apiServer: string;
}

/** Whether the programs are here, and what to do if not. */
export type KubeAssetsAnswer =
  | { readonly ok: true; readonly assets: KubeAssets }
  | { readonly ok: false; readonly why: string; readonly remedy: string };

/** Looks for `etcd` and `kube-apiserver` in `KUBEBUILDER_ASSETS`, as envtest does, else in `~/.cache/weft/bin` (or `$XDG_CACHE_HOME`). */
export async function findKubeAssets(environment: NodeJS.ProcessEnv = process.env): Promise<KubeAssetsAnswer> {
  const named = environment.KUBEBUILDER_ASSETS;
  const directory = named || join(environment.XDG_CACHE_HOME || join(homedir(), '.cache'), 'weft', 'bin');
  const [etcd, apiServer] = [join(directory, 'etcd'), join(directory, 'kube-apiserver')];
  const missing: string[] = [];
  for (const path of [etcd, apiServer]) {
    try {
      await access(path, constants.X_OK);
    } catch {
      missing.push(basename(path));
    }
  }
  if (missing.length === 0) return { ok: true, assets: { directory, etcd, apiServer } };
  return {
    ok: false,
    why: `${named ? 'KUBEBUILDER_ASSETS' : 'the default folder'} is ${directory}, where these programs are missing: ${missing.join(', ')}`,
    remedy:
      'e2e/cluster/binaries kube # builds them; or: export KUBEBUILDER_ASSETS="$(go run sigs.k8s.io/controller-runtime/tools/setup-envtest@latest use -p path)"',
  };
}
