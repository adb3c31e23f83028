import { join } from 'node:path';
import { type RunningChild, startChild } from './child-process.ts';
import type { KubeAssets } from './kube-assets.ts';
import type { Certificate } from './pki.ts';

/** Where the two servers listen, on 127.0.0.1. */
export interface ControlPlanePorts {
  readonly etcdClient: number;
  readonly etcdPeer: number;
  readonly apiServer: number;
}

/** Starts etcd on its data in `directory`; it is durable across restarts of the API server, not across a crash of the machine. */
export function startEtcd({ etcd }: KubeAssets, directory: string, ports: ControlPlanePorts): Promise<RunningChild> {
  const [client, peer] = [`http://127.0.0.1:${ports.etcdClient}`, `http://127.0.0.1:${ports.etcdPeer}`];
  return startChild('etcd', etcd, [
    ...['--name', 'testenv', '--data-dir', join(directory, 'etcd'), '--log-level', 'warn', '--unsafe-no-fsync'],
    ...['--listen-client-urls', client, '--advertise-client-urls', client],
    ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `testenv=${peer}`],
  ]);
}

/** The files that the API server is started with. */
export interface ApiServerFiles {
  readonly authority: Certificate;
  readonly serving: Certificate;
  readonly serviceAccountKeys: { readonly privateFile: string; readonly publicFile: string };
}

/** Starts kube-apiserver with RBAC; `flags` come last, so that they win. */
export function startApiServer(
  { apiServer }: KubeAssets,
  directory: string,
  ports: ControlPlanePorts,
  { authority, serving, serviceAccountKeys }: ApiServerFiles,
  flags: readonly string[] = [],
): Promise<RunningChild> {
  return startChild('kube-apiserver', apiServer, [
    ...['--etcd-servers', `http://127.0.0.1:${ports.etcdClient}`, '--cert-dir', directory],
    ...['--secure-port', String(ports.apiServer), '--bind-address', '127.0.0.1', '--advertise-address', '127.0.0.1'],
    // Endpoints of `kubernetes` may not lie on loopback; nothing here needs them.
    ...['--endpoint-reconciler-type', 'none', '--service-cluster-ip-range', '10.96.0.0/16,fd00:10:96::/112'],
    ...['--authorization-mode', 'RBAC', '--client-ca-file', authority.certificateFile, '--allow-privileged'],
    ...['--tls-cert-file', serving.certificateFile, '--tls-private-key-file', serving.keyFile],
    ...['--service-account-key-file', serviceAccountKeys.publicFile],
    ...['--service-account-signing-key-file', serviceAccountKeys.privateFile],
    ...['--service-account-issuer', 'https://kubernetes.default.svc.cluster.local'],
    // There is no controller that makes a service account in each namespace, so pods must not wait for one.
    ...['--disable-admission-plugins', 'ServiceAccount', '--shutdown-delay-duration', '0s', '--profiling=false'],
    ...flags,
  ]);
}
