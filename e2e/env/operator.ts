import { join } from 'node:path';
import type { KubeConfig } from '@kubernetes/client-node';
import { parseAllDocuments } from 'yaml';
import { meshKinds } from '../../src/api/index.ts';
import { resourcePath } from '../../src/runtime/client/resource-path.ts';
import type { RestClient } from '../../src/runtime/client/rest-client.ts';
import type { ResourceKind } from '../../src/runtime/resource-kind.ts';
import type { TestEnv } from '../../src/runtime/testenv/test-env.ts';
import type { ObjectStatus } from '../../src/status/render-status.ts';
import { type Address, parseAddress } from './address.ts';
import type { LogLine } from './control-plane.ts';
import { eventually } from './eventually.ts';
import { describeExit, startProcess } from './process.ts';

const weft = join(import.meta.dirname, '../../bin/weft');

/** What to start. */
export interface OperatorProcessOptions {
  /** Which cluster, as whom. */
  kubeConfig: KubeConfig;
  /** Where its kubeconfig file is kept. */
  env: TestEnv;
  meshConfigFile?: string;
  /** More flags: they win. */
  args?: readonly string[];
}

/** `weft operator` as a process of its own. */
export interface OperatorProcess {
  /** Where proxies connect. Throws before {@link served}. */
  readonly xds: Address;
  readonly http: string;
  /** Resolves when proxies are served; rejects with the log if the process ends instead. */
  served(deadlineMs?: number): Promise<void>;
  status(kind: string, namespace: string, name: string): Promise<ObjectStatus | undefined>;
  /** The answer of a probe's path: `readyz/caches`. */
  probe(path: string): Promise<{ code: number; body: string }>;
  logLines(): LogLine[];
  /** Whether it still runs. */
  isRunning(): boolean;
  /** Ends it. Rejects if it did not end well. */
  stop(): Promise<void>;
}

let count = 0;

/** Starts the operator; it may have to wait before it serves. */
export const startOperatorProcess = async (options: OperatorProcessOptions): Promise<OperatorProcess> => {
  const { env, kubeConfig, meshConfigFile, args = [] } = options;
  const kubeConfigFile = await env.writeKubeConfig(kubeConfig, `operator-${++count}.yaml`);
  const running = await startProcess({
    command: process.execPath,
    args: [
      ...[weft, 'operator', '--kubeconfig', kubeConfigFile, '--namespace', 'weft-system'],
      ...['xds', 'http', 'metrics', 'health'].flatMap((port) => [`--${port}-bind`, '127.0.0.1:0']),
      '--secure=false',
      ...['--log-format', 'json', '--log-level', 'debug'],
      ...(meshConfigFile === undefined ? [] : ['--mesh-config', meshConfigFile]),
      ...args,
    ],
    name: 'weft operator',
    logBytes: 16 * 1_048_576,
  });
  const logLines = (): LogLine[] =>
    running
      .log()
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as LogLine);
  const hopeless = () => (running.hasExited() ? `it has ended:\n${running.log()}` : undefined);
  const probes = await eventually(
    'the operator to answer probes',
    () => logLines().find(({ message, server }) => message === 'Serving' && server === 'health probe server'),
    { hopeless, deadlineMs: 20_000 },
  );
  const bound = () => {
    const line = logLines().find(({ message, xds }) => message === 'Serving' && xds !== undefined);
    if (!line) throw new Error('the operator does not serve yet');
    return line as unknown as { xds: string; http: string };
  };
  return {
    get xds() {
      return parseAddress(bound().xds);
    },
    get http() {
      return bound().http;
    },
    served: async (deadlineMs = 20_000) => {
      await eventually('the operator to serve', bound, { hopeless, deadlineMs });
    },
    status: async (kind, namespace, name) => {
      const response = await fetch(`http://${bound().http}/status/${kind}/${namespace}/${name}`);
      return response.ok ? ((await response.json()) as ObjectStatus) : undefined;
    },
    probe: async (path) => {
      const response = await fetch(`http://${probes.address as string}/${path}`);
      return { code: response.status, body: await response.text() };
    },
    logLines,
    isRunning: () => !running.hasExited(),
    stop: async () => {
      const exit = await running.stop({ deadlineMs: 10_000 });
      if (exit.code !== 0) throw new Error(`weft operator ended with ${describeExit(exit)}:\n${running.log()}`);
    },
  };
};

interface AppliedObject {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
}

/** Creates or replaces the objects of YAML text on an API server, as `kubectl apply --server-side` does; namespaces are made. */
export const applyYaml = async (rest: RestClient, yaml: string, kinds: readonly ResourceKind[] = meshKinds): Promise<void> => {
  for (const document of parseAllDocuments(yaml)) {
    const object = document.toJS() as AppliedObject | null;
    if (!object) continue;
    const { apiVersion, metadata } = object;
    const kind = kinds.find((candidate) => candidate.kind === object.kind);
    if (!kind) throw new Error(`applyYaml: no kind ${object.kind}`);
    const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
    if (metadata.namespace) await makeNamespace(rest, metadata.namespace);
    const path = `${resourcePath({ ...kind, group: group!, version: version! }, metadata.namespace)}/${metadata.name}`;
    const query = { fieldManager: 'kubectl', force: true };
    await rest.request({ method: 'PATCH', path, query, body: object, contentType: 'application/apply-patch+yaml' });
  }
};

/** Makes a namespace, or gives it other labels. */
export const makeNamespace = async (rest: RestClient, name: string, labels: Record<string, string> = {}): Promise<void> => {
  const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
  const query = { fieldManager: 'kubectl', force: true };
  await rest.request({
    method: 'PATCH',
    path: `/api/v1/namespaces/${name}`,
    query,
    body,
    contentType: 'application/apply-patch+yaml',
  });
};
