import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { RestClient } from '../client/rest-client.ts';
import { wait } from '../client/wait.ts';
import { systemClock } from '../clock.ts';
import type { RunningChild } from './child-process.ts';
import { type ControlPlanePorts, startApiServer, startEtcd } from './control-plane.ts';
import { type CustomResourceDefinition, installCrds, readCrds } from './crds.ts';
import { findKubeAssets, type KubeAssets } from './kube-assets.ts';
import { findLoopbackPort } from './loopback-port.ts';
import { type Certificate, type CertificateAuthority, createCertificateAuthority, writeServiceAccountKeys } from './pki.ts';

export interface TestEnvOptions {
  /** Files and folders with CRDs to install. Default: none. */
  readonly crdPaths?: readonly string[];
  /** CRDs to install besides. */
  readonly crds?: readonly CustomResourceDefinition[];
  /** Further flags of kube-apiserver; they win over the ones given here. */
  readonly apiServerFlags?: readonly string[];
  /** Where etcd and kube-apiserver are. Default: where {@link findKubeAssets} finds them. */
  readonly assets?: KubeAssets;
  /** How long the API server may take to be ready. Default 60,000. */
  readonly startTimeoutMs?: number;
}

/**
 * A Kubernetes API that nothing acts on: etcd and kube-apiserver with RBAC, no controllers. So a deleted namespace stays in
 * `Terminating`, owners' dependents are not collected, and no service account is made by itself.
 */
export interface TestEnv {
  /** A member of `system:masters`. */
  readonly kubeConfig: KubeConfig;
  /** The same as a file, for kubectl and for `--kubeconfig`. */
  readonly kubeConfigFile: string;
  /** As the administrator; closed by {@link stop}. */
  readonly rest: RestClient;
  /** `https://127.0.0.1:PORT`. */
  readonly url: string;
  /** Installs more CRDs and waits until they are served. */
  installCrds(crds: readonly CustomResourceDefinition[]): Promise<void>;
  /** Reads CRDs of files and folders and installs them. */
  installCrdFiles(paths: readonly string[]): Promise<void>;
  /** A user that may do nothing until a role says otherwise; `groups` may name `system:masters`. */
  createUser(name: string, groups?: readonly string[]): Promise<KubeConfig>;
  /** Makes a service account (and its namespace, if that is missing) and a token for it, which is valid for an hour. */
  createServiceAccount(namespace: string, name: string): Promise<KubeConfig>;
  /** Writes a kubeconfig next to the administrator's and says where. */
  writeKubeConfig(kubeConfig: KubeConfig, fileName: string): Promise<string>;
  /** Stops the API server, if it runs, with SIGTERM and after a second with SIGKILL, and starts it on the same port and data. Resolves when it is ready. */
  restartApiServer(): Promise<void>;
  /** Ends the API server with SIGKILL; {@link restartApiServer} brings it back. */
  killApiServer(): Promise<void>;
  /** Stops the API server in mid-air, so that connections stay open and nothing is answered. */
  pauseApiServer(): void;
  resumeApiServer(): void;
  /** The newest of what etcd and the API server wrote. */
  log(): string;
  /** Ends everything and removes its files; may be called twice. */
  stop(): Promise<void>;
}

/** Starts etcd and kube-apiserver on free loopback ports. Rejects with the way to get them if they are missing, and with their log if they do not start. */
export async function startTestEnv(options: TestEnvOptions = {}): Promise<TestEnv> {
  const assets = options.assets ?? (await requireAssets());
  const directory = await mkdtemp(join(tmpdir(), 'testenv-'));
  const env = new RunningTestEnv(assets, directory, options);
  try {
    await env.start();
    return env;
  } catch (error) {
    await env.stop();
    throw error;
  }
}

async function requireAssets(): Promise<KubeAssets> {
  const answer = await findKubeAssets();
  if (answer.ok) return answer.assets;
  throw new Error(`no API server to test with: ${answer.why}\nto have one: ${answer.remedy}`);
}

class RunningTestEnv implements TestEnv {
  readonly #assets: KubeAssets;
  readonly #directory: string;
  readonly #options: TestEnvOptions;
  #ports!: ControlPlanePorts;
  #authority!: CertificateAuthority;
  #serving!: Certificate;
  #serviceAccountKeys!: { privateFile: string; publicFile: string };
  #etcd: RunningChild | undefined;
  #apiServer: RunningChild | undefined;
  #users = 0;
  kubeConfig!: KubeConfig;
  kubeConfigFile!: string;
  rest!: RestClient;

  constructor(assets: KubeAssets, directory: string, options: TestEnvOptions) {
    this.#assets = assets;
    this.#directory = directory;
    this.#options = options;
  }

  get url(): string {
    return `https://127.0.0.1:${this.#ports.apiServer}`;
  }

  async start(): Promise<void> {
    this.#ports = {
      etcdClient: await findLoopbackPort(),
      etcdPeer: await findLoopbackPort(),
      apiServer: await findLoopbackPort(),
    };
    // etcd takes its time to elect itself: the certificates are made meanwhile.
    this.#etcd = await startEtcd(this.#assets, this.#directory, this.#ports);
    this.#authority = await createCertificateAuthority(this.#directory);
    this.#serving = await this.#authority.issue(
      'serving',
      'kube-apiserver',
      [],
      ['DNS:localhost', 'IP:127.0.0.1', 'IP:10.96.0.1'],
    );
    this.#serviceAccountKeys = await writeServiceAccountKeys(this.#directory);
    this.kubeConfig = await this.createUser('admin', ['system:masters']);
    this.kubeConfigFile = await this.writeKubeConfig(this.kubeConfig, 'admin.kubeconfig');
    this.rest = new RestClient({ kubeConfig: this.kubeConfig });
    await this.restartApiServer();
    await this.installCrds([...(await readCrds(this.#options.crdPaths ?? [])), ...(this.#options.crds ?? [])]);
  }

  installCrds(crds: readonly CustomResourceDefinition[]): Promise<void> {
    return installCrds(this.rest, crds);
  }

  async installCrdFiles(paths: readonly string[]): Promise<void> {
    await this.installCrds(await readCrds(paths));
  }

  async createUser(name: string, groups: readonly string[] = []): Promise<KubeConfig> {
    const { certificate, key } = await this.#authority.issue(`user-${++this.#users}`, name, groups);
    return this.#kubeConfigOf({ name, certData: toBase64(certificate), keyData: toBase64(key) });
  }

  async createServiceAccount(namespace: string, name: string): Promise<KubeConfig> {
    const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts`;
    await this.#ensure('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
    await this.#ensure(accounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } });
    const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 3600 } };
    const path = `${accounts}/${name}/token`;
    const { status } = await this.rest.request<{ status: { token: string } }>({ method: 'POST', path, body: request });
    return this.#kubeConfigOf({ name: `system:serviceaccount:${namespace}:${name}`, token: status.token });
  }

  async writeKubeConfig(kubeConfig: KubeConfig, fileName: string): Promise<string> {
    const file = join(this.#directory, fileName);
    await writeFile(file, kubeConfig.exportConfig(), { mode: 0o600 });
    return file;
  }

  async restartApiServer(): Promise<void> {
    // It would wait for open watches to end by themselves.
    await this.#apiServer?.stop(1_000);
    this.#apiServer = await startApiServer(
      this.#assets,
      this.#directory,
      this.#ports,
      { authority: this.#authority, serving: this.#serving, serviceAccountKeys: this.#serviceAccountKeys },
      this.#options.apiServerFlags,
    );
    await this.#waitUntilReady();
  }

  async killApiServer(): Promise<void> {
    this.#apiServer?.signal('SIGKILL');
    await this.#apiServer?.ended;
  }

  pauseApiServer(): void {
    this.#apiServer?.signal('SIGSTOP');
  }

  resumeApiServer(): void {
    this.#apiServer?.signal('SIGCONT');
  }

  log(): string {
    return [this.#etcd, this.#apiServer].map((child) => (child ? `== ${child.name}\n${child.log()}` : '')).join('\n');
  }

  async stop(): Promise<void> {
    this.rest?.close();
    // Nothing is to be kept, so nothing has to end in good order.
    for (const child of [this.#apiServer, this.#etcd]) child?.signal('SIGKILL');
    await Promise.all([this.#apiServer?.ended, this.#etcd?.ended]);
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #ensure(path: string, object: unknown): Promise<void> {
    try {
      await this.rest.request({ method: 'POST', path, body: object });
    } catch (error) {
      if ((error as { reason?: string }).reason !== 'AlreadyExists') throw error;
    }
  }

  async #waitUntilReady(): Promise<void> {
    const { startTimeoutMs = 60_000 } = this.#options;
    const deadlineMs = systemClock.monotonicMs() + startTimeoutMs;
    for (let last: unknown; ; ) {
      for (const child of [this.#etcd!, this.#apiServer!]) {
        if (child.end !== undefined)
          throw new Error(`${child.name} ended with ${child.end}; the end of its log:\n${tail(child)}`);
      }
      try {
        await this.rest.request({ path: '/version', timeoutMs: 2_000, maxRetries: 0 });
        await this.rest.stream({ path: '/readyz', timeoutMs: 2_000, maxRetries: 0 }).then((stream) => stream.close());
        return;
      } catch (error) {
        last = error;
      }
      if (systemClock.monotonicMs() > deadlineMs) {
        throw new Error(
          `kube-apiserver is not ready after ${startTimeoutMs / 1000} s; the end of its log:\n${tail(this.#apiServer!)}`,
          {
            cause: last,
          },
        );
      }
      await wait(systemClock, 50);
    }
  }

  #kubeConfigOf(user: { name: string; certData?: string; keyData?: string; token?: string }): KubeConfig {
    const kubeConfig = new KubeConfig();
    const cluster = { name: 'testenv', server: this.url, caData: toBase64(this.#authority.certificate), skipTLSVerify: false };
    kubeConfig.loadFromOptions({
      clusters: [cluster],
      users: [user],
      contexts: [{ name: 'testenv', cluster: cluster.name, user: user.name }],
      currentContext: 'testenv',
    });
    return kubeConfig;
  }
}

const toBase64 = (text: string): string => Buffer.from(text).toString('base64');

const tail = (child: RunningChild): string => child.log().split('\n').slice(-20).join('\n');
