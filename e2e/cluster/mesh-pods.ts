import { join } from 'node:path';
import { stringify } from 'yaml';
import { eventually } from '../env/eventually.ts';
import { type ManagedProcess, startProcess } from '../env/process.ts';
import { applyOf, binFolder, kubectlOf, run } from './run.ts';

/** A Kubernetes object as a test writes it. */
export type Manifest = Readonly<Record<string, unknown>> & {
  readonly metadata: Readonly<Record<string, unknown>> & { readonly name: string };
};

/** What a test's application saw of a request. */
export interface Seen {
  readonly pod: string;
  readonly from: string;
  readonly to: string;
  readonly said?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A pod of the application of `images/app.ts`. Extra fields of its container and its spec win. */
export const appPod = (
  name: string,
  { args = ['serve'], labels = {}, annotations = {}, container = {}, spec = {} }: PodOptions = {},
): Manifest => ({
  ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, labels: { app: name, ...labels }, annotations } },
  spec: { terminationGracePeriodSeconds: 5, containers: [{ name: 'app', image: 'weft/app:dev', args, ...container }], ...spec },
});

interface PodOptions {
  readonly args?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly container?: object;
  readonly spec?: object;
}

/** A dual-stack Service of the pods with the label `app` of its name: HTTP on 80, TCP on 9000. */
export const appService = (name: string): Manifest => ({
  ...{ apiVersion: 'v1', kind: 'Service', metadata: { name } },
  spec: {
    ipFamilyPolicy: 'RequireDualStack',
    selector: { app: name },
    ports: [
      { name: 'http', port: 80, targetPort: 8080 },
      { name: 'tcp', port: 9000 },
    ],
  },
});

/** A namespace of the cluster that takes part in the mesh. */
export class MeshNamespace {
  readonly name: string;
  readonly kubectl: (...args: string[]) => Promise<string>;
  readonly #kubeConfigFile: string;

  constructor(kubeConfigFile: string, name: string) {
    this.name = name;
    this.#kubeConfigFile = kubeConfigFile;
    const kubectl = kubectlOf(kubeConfigFile);
    this.kubectl = (...args) => kubectl('--namespace', name, ...args);
  }

  /** Makes it. Default label: injection by the default revision. */
  async create(labels: Readonly<Record<string, string>> = { 'istio-injection': 'enabled' }): Promise<void> {
    await this.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: this.name, labels } });
  }

  /** Creates or changes objects in it. */
  async apply(...manifests: Manifest[]): Promise<void> {
    const placed = manifests.map((each) =>
      each.kind === 'Namespace' ? each : { ...each, metadata: { ...each.metadata, namespace: this.name } },
    );
    await applyOf(this.#kubeConfigFile)(placed.map((each) => stringify(each)).join('---\n'));
  }

  /** Waits until pods are ready. */
  async ready(...pods: string[]): Promise<void> {
    await this.kubectl('wait', '--for=condition=Ready', '--timeout=90s', ...pods.map((pod) => `pod/${pod}`));
  }

  /** Runs a command in the application's container. */
  async exec(pod: string, ...command: string[]): Promise<string> {
    return this.kubectl('exec', pod, '-c', 'app', '--', ...command);
  }

  /** Asks a URL from a pod. Rejects on anything but 200. */
  async ask(pod: string, url: string, family: 4 | 6 = 4): Promise<Seen> {
    return JSON.parse(await this.exec(pod, 'curl', '-sSf', `-${family}`, '--max-time', '5', url)) as Seen;
  }

  /** Says a line over TCP from a pod, to an IP address or a host. Rejects if there is no answer. */
  async say(pod: string, host: string, port: number): Promise<Seen> {
    const script = 'exec 3<>"/dev/tcp/$0/$1" && echo hello >&3 && timeout 5 head -n 1 <&3';
    const answer = await this.exec(pod, 'bash', '-c', script, host, String(port));
    if (answer === '') throw new Error(`${host}:${port} ended the connection`);
    return JSON.parse(answer) as Seen;
  }

  /** The lines that a container of a pod has printed and prints, until it ends. Stop the process if it does not. */
  async follow(pod: string, container = 'app'): Promise<{ readonly lines: readonly string[]; readonly process: ManagedProcess }> {
    const lines: string[] = [];
    const process = await startProcess({
      ...{ command: join(binFolder, 'kubectl'), name: `kubectl logs ${pod}`, onLine: (line: string) => lines.push(line) },
      args: ['--kubeconfig', this.#kubeConfigFile, 'logs', '--follow', '--namespace', this.name, pod, '-c', container],
    });
    return { lines, process };
  }

  /** An object's field, as text. */
  async field(object: string, jsonPath: string): Promise<string> {
    return this.kubectl('get', object, '-o', `jsonpath=${jsonPath}`);
  }

  /** Waits until an object of the mesh has reached all whom it affects. */
  async propagated(object: string): Promise<void> {
    const { code, stdout } = await run(
      [
        join(binFolder, 'kubectl'),
        '--kubeconfig',
        this.#kubeConfigFile,
        '--namespace',
        this.name,
        'wait',
        ...['--for=condition=Ready', '--timeout=60s', object],
      ],
      { mayFail: true },
    );
    if (code !== 0) throw new Error(`${object} is not ready: ${stdout}${await this.kubectl('describe', object)}`);
  }

  /** Deletes it, and waits until the mesh has no pod of it any more. */
  async delete(): Promise<void> {
    await this.kubectl('delete', 'namespace', this.name, '--wait', '--timeout=90s');
  }
}

/** The load of a pod `node app.ts load URL…`, so far. */
export interface LoadReport {
  readonly asked: number;
  readonly answered: number;
  readonly failures: readonly string[];
}

/** What a load has seen; waits until everything that was asked by now has been answered or has failed. */
export const readLoad = async (namespace: MeshNamespace, pod: string): Promise<LoadReport> => {
  const read = async () => JSON.parse(await namespace.exec(pod, 'curl', '-sS', 'http://127.0.0.1:8081/')) as LoadReport;
  const { asked } = await read();
  return eventually('what was asked to be answered', async () => {
    const report = await read();
    return report.answered + report.failures.length >= asked && report;
  });
};
