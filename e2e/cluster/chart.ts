import { join } from 'node:path';
import { binFolder, type RunOptions, type RunResult, run } from './run.ts';

const root = join(import.meta.dirname, '../..');
const values = join(import.meta.dirname, 'manifests/values.yaml');

/** The chart of this checkout, with the values of the tests, as arguments of helm. */
const chart = ['weft', join(root, 'helm/weft'), '--namespace', 'weft-system', '--values', values];

/** helm on the cluster of a kubeconfig. */
export class Helm {
  readonly #kubeConfigFile: string;

  constructor(kubeConfigFile: string) {
    this.#kubeConfigFile = kubeConfigFile;
  }

  /** Runs helm; rejects with what it complained of, unless it may fail. */
  run(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return run([join(binFolder, 'helm'), '--kubeconfig', this.#kubeConfigFile, ...args], options);
  }

  /** Installs the release or upgrades it, and waits until it serves. `more`: `--set` and the like. */
  async install(...more: string[]): Promise<void> {
    await this.run([
      'upgrade',
      '--install',
      ...chart,
      '--create-namespace',
      '--take-ownership',
      '--wait',
      '--timeout=120s',
      ...more,
    ]);
  }

  /** What the release's objects should be, without those of `helm test`. */
  async render(...more: string[]): Promise<string> {
    return (await this.run(['template', ...chart, '--kube-version', '1.34.0', '--no-hooks', ...more])).stdout;
  }
}
