import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { KubeConfig, PortForward } from '@kubernetes/client-node';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { directReplica } from '../control-plane-client.ts';
import { forwardTo } from './port-forward.ts';

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

const kept: { close(): void }[] = [];
afterEach(() => {
  for (const connection of kept.splice(0)) connection.close();
});

type Handler = NonNullable<ConstructorParameters<typeof PortForward>[2]>;
type BinaryHandler = (stream: number, bytes: Buffer) => boolean;
interface FakeSocket {
  onclose?: () => void;
}

/** The kubelet's side: each stream begins with the port, in two bytes; stream 0 carries data, stream 1 errors. */
const kubelet = (behave: (socket: FakeSocket, binary: BinaryHandler) => void = () => {}) => {
  const paths: string[] = [];
  const behind: Socket[] = [];
  const handler = {
    async connect(path: string, _text: unknown, binary: BinaryHandler) {
      paths.push(path);
      const server = connect(port, '127.0.0.1');
      behind.push(server);
      const socket: FakeSocket & { send(bytes: Buffer): void; close(): void; protocol: string } = {
        protocol: 'v4.channel.k8s.io',
        send: (bytes) => void (bytes[0] === 0 && server.write(bytes.subarray(1))),
        close: () => server.destroy(),
      };
      const head = Buffer.from([0x3a, 0xa6]);
      binary(0, head);
      binary(1, head);
      server.on('data', (bytes) => binary(0, bytes)).on('close', () => socket.onclose?.());
      setImmediate(() => behave(socket, binary));
      return socket;
    },
  };
  const connection = forwardTo(new PortForward(new KubeConfig(), true, handler as unknown as Handler), pod);
  kept.push(connection);
  return { paths, behind, ask: connection.get };
};

it('asks the status port of the pod and reads the whole answer', async () => {
  const { ask, paths } = kubelet();
  for (const path of ['/status', '/none']) {
    const direct = await directReplica(`127.0.0.1:${port}`).get(path);
    expect(await ask(path)).toEqual(direct);
    expect(direct.text.length).toBeGreaterThan(200_000);
  }
  expect(paths).toEqual(['/api/v1/namespaces/weft-system/pods/weft-a/portforward?ports=15014']);
});

it('asks one after the other over the same connection', async () => {
  const { ask, paths } = kubelet();
  const answers = await Promise.all(['/a', '/b', '/c'].map((path) => ask(path)));
  expect(answers.map(({ text }) => JSON.parse(text).path)).toEqual(['/a', '/b', '/c']);
  expect(paths).toHaveLength(1);
});

it('opens another connection when the last one has ended', async () => {
  const { ask, paths, behind } = kubelet();
  await ask('/a');
  behind[0]!.destroy();
  expect((await ask('/b')).status).toBe(200);
  expect(paths).toHaveLength(2);
});

it('rejects with what the kubelet says', async () => {
  const { ask } = kubelet((_socket, binary) => void binary(1, Buffer.from('nothing listens on port 15014\n')));
  await expect(ask('/status')).rejects.toThrow('nothing listens on port 15014');
});

it('rejects when the connection ends before the answer', async () => {
  const { ask } = kubelet((socket) => socket.onclose?.());
  await expect(ask('/status')).rejects.toThrow(/hang up|closed|destroyed/);
});

it('names the pod and the permission if the API server refuses', async () => {
  const handler = { connect: () => Promise.reject({ type: 'error', message: 'Unexpected server response: 403' }) };
  const connection = forwardTo(new PortForward(new KubeConfig(), true, handler as unknown as Handler), pod);
  await expect(connection.get('/status')).rejects.toThrow(
    'port-forward to pod weft-system/weft-a: Unexpected server response: 403; grant this user the verbs "get" and "create" on pods/portforward',
  );
});
