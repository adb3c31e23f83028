import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { type ManagedProcess, startProcess } from '../env/process.ts';
import { applyOf, run } from './run.ts';

/** Hosts outside of the cluster: addresses of the node that belong to no pod and no Service. */
export const outside = {
  ipv4: '203.0.113.10',
  ipv6: '2001:db8::10',
  unknownIpv4: '203.0.113.11',
  unknownIpv6: '2001:db8::11',
} as const;

/** Of the cluster's network, as `e2e/cluster/env` calls it. */
const networkOf = async (): Promise<string> => {
  const script = `. ${join(import.meta.dirname, 'env')}; echo "$CLUSTER_NAME"`;
  return (await run(['bash', '-c', script])).stdout.trim();
};

/** Runs the tests' application on those addresses, and has the cluster's name server know hosts. Stop the process at the end. */
export const startOutside = async (
  kubeConfigFile: string,
  hosts: Readonly<Record<string, readonly string[]>>,
): Promise<ManagedProcess> => {
  const network = await networkOf();
  for (const address of [`${outside.ipv4}/32`, `${outside.unknownIpv4}/32`, `${outside.ipv6}/128`, `${outside.unknownIpv6}/128`])
    await run(['ip', 'netns', 'exec', network, 'ip', 'addr', 'replace', address, 'dev', 'lo']);
  const lines = Object.entries(hosts).flatMap(([host, addresses]) => addresses.map((address) => `${address} ${host}\n`));
  const metadata = { name: 'coredns', namespace: 'kube-system' };
  const patch = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { hosts: lines.join('') } };
  await applyOf(kubeConfigFile, '--server-side', '--force-conflicts')(stringify(patch));
  return startProcess({
    ...{ command: 'ip', name: 'the application outside' },
    args: ['netns', 'exec', network, process.execPath, join(dirname(import.meta.filename), 'images/app.ts'), 'serve'],
  });
};
