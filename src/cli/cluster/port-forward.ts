import { request } from 'node:http';
import { Duplex, PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { PortForward } from '@kubernetes/client-node';
import type { OperatorPod, PodTransport } from './find-replicas.ts';
import type { ReplicaAnswer } from './replica.ts';

/** The status port inside a pod. */
const statusPort = 15_014;

/** How long one answer may take, in milliseconds. */
const timeoutMs = 10_000;

/** Reaches pods through the API server, as `kubectl port-forward` does: a connection for each question. */
export function portForwardTransport(forward: Pick<PortForward, 'portForward'>): PodTransport {
  return (pod, path) => askThrough(forward, pod, path);
}

async function askThrough(forward: Pick<PortForward, 'portForward'>, pod: OperatorPod, path: string): Promise<ReplicaAnswer> {
  const [fromPod, toPod, errors] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const refusal = Promise.withResolvers<never>();
  refusal.promise.catch(() => {});
  // What the kubelet has to say arrives here: that nothing listens on the port, for instance.
  errors.on('data', (message: Buffer) => {
    if (message.length > 0) refusal.reject(new Error(message.toString().trim()));
  });
  const socket = await open(forward, pod, fromPod, errors, toPod);
  // The library tells nobody that the connection has ended.
  socket.onclose = () => fromPod.end();
  const stream = Duplex.from({ readable: fromPod, writable: toPod });
  stream.on('error', refusal.reject);
  try {
    return await Promise.race([askOver(stream, path), refusal.promise]);
  } finally {
    stream.destroy();
    socket.close();
  }
}

/** What is used of a WebSocket. */
interface Closable {
  onclose: unknown;
  close(): void;
}

async function open(
  forward: Pick<PortForward, 'portForward'>,
  { namespace, name }: OperatorPod,
  ...[fromPod, errors, toPod]: [PassThrough, PassThrough, PassThrough]
): Promise<Closable> {
  try {
    return (await forward.portForward(namespace, name, [statusPort], fromPod, errors, toPod)) as unknown as Closable;
  } catch (cause) {
    // It rejects with the WebSocket's event, which is no Error.
    const { message = 'the connection failed' } = cause as { message?: string };
    const remedy = message.includes('403') ? '; grant this user the verb "create" on pods/portforward' : '';
    throw new Error(`port-forward to pod ${namespace}/${name}: ${message}${remedy}`, { cause });
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
