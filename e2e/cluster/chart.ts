import { join } from 'node:path';
import { binFolder, type RunOptions, type RunResult, run } from './run.ts';

const root = join(import.meta.dirname, '../..');
const values = join(import.meta.dirname, 'manifests/values.yaml');

/** helm on the cluster of a kubeconfig, for one release of the chart of this checkout, with the values of the tests. */
export class Helm {
  readonly #kubeConfigFile: string;
  readonly #release: string;

  constructor(kubeConfigFile: string, release = 'weft') {
    this.#kubeConfigFile = kubeConfigFile;
    this.#release = release;
  }

  get #chart(): string[] {
    return [this.#release, join(root, 'helm/weft'), '--namespace', 'weft-system', '--values', values];
  }

  /** Runs helm; rejects with what it complained of, unless it may fail. */
  run(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return run([join(binFolder, 'helm'), '--kubeconfig', this.#kubeConfigFile, ...args], options);
  }

  /** Installs the release or upgrades it, and waits until it serves. `more`: `--set` and the like. */
  async install(...more: string[]): Promise<void> {
    const flags = ['--create-namespace', '--take-ownership', '--wait', '--timeout=240s'];
    await this.run(['upgrade', '--install', ...this.#chart, ...flags, ...more]);
  }

  /** What the release's objects should be, without those of hooks. */
  async render(...more: string[]): Promise<string> {
    return (await this.run(['template', ...this.#chart, '--kube-version', '1.34.0', '--no-hooks', ...more])).stdout;
  }

  async uninstall(): Promise<void> {
    await this.run(['uninstall', this.#release, '--namespace=weft-system', '--wait', '--timeout=240s']);
  }
}
