import { request } from 'node:http';
import { Duplex, PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { type KubeConfig, PortForward } from '@kubernetes/client-node';
import type { OperatorPod, PodTransport } from './find-replicas.ts';
import type { ReplicaAnswer } from './replica.ts';

/** The status port inside a pod. */
const statusPort = 15_014;

/** How long one answer may take, in milliseconds. */
const timeoutMs = 10_000;

/** Reaches pods through the API server, as `kubectl port-forward` does: a connection for each question. */
export function portForwardTransport(kubeConfig: KubeConfig): PodTransport {
  const forward = new PortForward(kubeConfig);
  return (pod, path) => askThrough(forward, pod, path);
}

async function askThrough(forward: PortForward, pod: OperatorPod, path: string): Promise<ReplicaAnswer> {
  const [fromPod, toPod, errors] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const refusal = Promise.withResolvers<never>();
  refusal.promise.catch(() => {});
  // What the kubelet has to say arrives here: that nothing listens on the port, for instance.
  errors.on('data', (message: Buffer) => refusal.reject(new Error(message.toString().trim())));
  const opened = await forward.portForward(pod.namespace, pod.name, [statusPort], fromPod, errors, toPod);
  const socket = Duplex.from({ readable: fromPod, writable: toPod });
  const close = () => {
    socket.destroy();
    (typeof opened === 'function' ? opened() : opened)?.close();
  };
  try {
    return await Promise.race([askOver(socket, path), refusal.promise]);
  } finally {
    close();
  }
}

/** One HTTP request over a connection that is there already. */
export function askOver(socket: Duplex, path: string): Promise<ReplicaAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<ReplicaAnswer>();
  const asked = request({
    path,
    host: 'localhost',
    headers: { connection: 'close' },
    createConnection: () => socket as never,
    signal: AbortSignal.timeout(timeoutMs),
  });
  asked.on('error', reject);
  asked.on('response', (response) => {
    text(response).then((body) => resolve({ status: response.statusCode ?? 0, text: body }), reject);
  });
  asked.end();
  return promise;
}
