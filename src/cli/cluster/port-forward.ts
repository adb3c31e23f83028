import { Agent, request } from 'node:http';
import { Duplex, PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { PortForward } from '@kubernetes/client-node';
import type { OperatorPod, PodConnection } from './find-replicas.ts';
import type { ReplicaAnswer } from './replica.ts';

/** The status port inside a pod. */
const statusPort = 15_014;

/** How long one answer may take, in milliseconds. */
const timeoutMs = 10_000;

type Forward = Pick<PortForward, 'portForward'>;

/**
 * The status port of a pod, through the API server as `kubectl port-forward` reaches it. One connection carries all questions, one
 * after the other; it is opened with the first, and anew when it has ended.
 */
export function forwardTo(forward: Forward, pod: OperatorPod): PodConnection {
  const agent = new ForwardAgent(forward, pod);
  const askOrAskAgain = async (path: string): Promise<ReplicaAnswer> => {
    const isReused = agent.isOpen;
    try {
      return await ask(agent, path);
    } catch (error) {
      // A server may end an idle connection just when it is used again.
      if (!isReused || (error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error;
      return ask(agent, path);
    }
  };
  let last: Promise<unknown> = Promise.resolve();
  return {
    get(path) {
      const answer = last.then(() => askOrAskAgain(path));
      last = answer.catch(() => {});
      return answer;
    },
    close: () => agent.destroy(),
  };
}

/** Keeps one forwarded connection for the HTTP client. */
class ForwardAgent extends Agent {
  readonly #forward: Forward;
  readonly #pod: OperatorPod;
  #open: Duplex | undefined;

  constructor(forward: Forward, pod: OperatorPod) {
    super({ keepAlive: true });
    this.#forward = forward;
    this.#pod = pod;
  }

  get isOpen(): boolean {
    return this.#open !== undefined && !this.#open.destroyed;
  }

  override createConnection(_options: unknown, done?: (error: Error | null, stream: Duplex) => void): undefined {
    openStream(this.#forward, this.#pod).then(
      (stream) => {
        this.#open = stream;
        done?.(null, stream);
      },
      (error: Error) => done?.(error, undefined as never),
    );
  }

  /** What the HTTP client does to sockets that rest or are used again is not there on a stream. */
  override keepSocketAlive(): boolean {
    return true;
  }
  override reuseSocket(): void {}

  override destroy(): void {
    this.#open?.destroy();
    super.destroy();
  }
}

/** What is used of a WebSocket. */
interface Closable {
  onclose: unknown;
  close(): void;
}

async function openStream(forward: Forward, { namespace, name }: OperatorPod): Promise<Duplex> {
  const [fromPod, toPod, errors] = [new PassThrough(), new PassThrough(), new PassThrough()];
  let socket: Closable;
  try {
    socket = (await forward.portForward(namespace, name, [statusPort], fromPod, errors, toPod)) as unknown as Closable;
  } catch (cause) {
    // It rejects with the WebSocket's event, which is no Error.
    const { message = 'the connection failed' } = cause as { message?: string };
    const remedy = message.includes('403') ? '; grant this user the verbs "get" and "create" on pods/portforward' : '';
    throw new Error(`port-forward to pod ${namespace}/${name}: ${message}${remedy}`, { cause });
  }
  const stream = new ForwardedStream(fromPod, toPod);
  // What the kubelet has to say arrives here: that nothing listens on the port, for instance.
  errors.on('data', (message: Buffer) => {
    if (message.length > 0) stream.destroy(new Error(message.toString().trim()));
  });
  // The library tells nobody that the connection has ended.
  socket.onclose = () => fromPod.end();
  stream.once('close', () => socket.close());
  return stream;
}

/** Both directions as one stream, which ends with the pod's. */
class ForwardedStream extends Duplex {
  readonly #fromPod: PassThrough;
  readonly #toPod: PassThrough;

  constructor(fromPod: PassThrough, toPod: PassThrough) {
    super({ allowHalfOpen: false });
    this.#fromPod = fromPod;
    this.#toPod = toPod;
    fromPod.on('data', (bytes: Buffer) => {
      if (!this.push(bytes)) fromPod.pause();
    });
    fromPod.once('end', () => this.push(null));
  }

  override _read(): void {
    this.#fromPod.resume();
  }

  override _write(bytes: Buffer, _encoding: unknown, done: (error?: Error | null) => void): void {
    this.#toPod.write(bytes, done);
  }
}

/** One HTTP request over a connection that an agent gives. */
function ask(agent: Agent, path: string): Promise<ReplicaAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<ReplicaAnswer>();
  const asked = request({ path, host: 'localhost', agent, signal: AbortSignal.timeout(timeoutMs) });
  asked.on('error', reject);
  asked.on('response', (response) => {
    text(response).then((body) => resolve({ status: response.statusCode ?? 0, text: body }), reject);
  });
  asked.end();
  return promise;
}
