import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { KubeConfig, PortForward } from '@kubernetes/client-node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { directReplica } from '../control-plane-client.ts';
import { portForwardTransport } from './port-forward.ts';

const server = createServer((request, response) => {
  response.statusCode = request.url === '/none' ? 404 : 200;
  response.end(JSON.stringify({ path: request.url, padding: 'x'.repeat(200_000) }));
});
const pod = { namespace: 'weft-system', name: 'weft-a' };
let port: number;

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ({ port } = server.address() as AddressInfo);
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

type Handler = NonNullable<ConstructorParameters<typeof PortForward>[2]>;
type BinaryHandler = (stream: number, bytes: Buffer) => boolean;
interface FakeSocket {
  onclose?: () => void;
}

/** The kubelet's side: each stream begins with the port, in two bytes; stream 0 carries data, stream 1 errors. */
const kubelet = (behave: (socket: FakeSocket, binary: BinaryHandler) => void = () => {}) => {
  const paths: string[] = [];
  const handler = {
    async connect(path: string, _text: unknown, binary: BinaryHandler) {
      paths.push(path);
      const behind = connect(port, '127.0.0.1');
      const socket: FakeSocket & { send(bytes: Buffer): void; close(): void; protocol: string } = {
        protocol: 'v4.channel.k8s.io',
        send: (bytes) => void (bytes[0] === 0 && behind.write(bytes.subarray(1))),
        close: () => behind.destroy(),
      };
      const head = Buffer.from([0x3a, 0xa6]);
      binary(0, head);
      binary(1, head);
      behind.on('data', (bytes) => binary(0, bytes));
      setImmediate(() => behave(socket, binary));
      return socket;
    },
  };
  return { paths, ask: portForwardTransport(new PortForward(new KubeConfig(), true, handler as unknown as Handler)) };
};

it('asks the status port of the pod and reads the whole answer', async () => {
  const { ask, paths } = kubelet();
  for (const path of ['/status', '/none']) {
    const direct = await directReplica(`127.0.0.1:${port}`).get(path);
    expect(await ask(pod, path)).toEqual(direct);
    expect(direct.text.length).toBeGreaterThan(200_000);
  }
  expect(paths[0]).toBe('/api/v1/namespaces/weft-system/pods/weft-a/portforward?ports=15014');
});

it('rejects with what the kubelet says', async () => {
  const { ask } = kubelet((_socket, binary) => void binary(1, Buffer.from('nothing listens on port 15014\n')));
  await expect(ask(pod, '/status')).rejects.toThrow('nothing listens on port 15014');
});

it('rejects when the connection ends before the answer', async () => {
  const { ask } = kubelet((socket) => socket.onclose?.());
  await expect(ask(pod, '/status')).rejects.toThrow(/hang up|closed|destroyed/);
});

it('names the pod and the permission if the API server refuses', async () => {
  const handler = { connect: () => Promise.reject({ type: 'error', message: 'Unexpected server response: 403' }) };
  const ask = portForwardTransport(new PortForward(new KubeConfig(), true, handler as unknown as Handler));
  await expect(ask(pod, '/status')).rejects.toThrow(
    'port-forward to pod weft-system/weft-a: Unexpected server response: 403; grant this user the verb "create" on pods/portforward',
  );
});
