/**
 * The application of the tests' pods, in the operator's image beside its packages: `node app.ts serve` and `node app.ts load URL…`.
 * Both end at SIGTERM.
 */
import { Agent, createServer, get, type IncomingMessage } from 'node:http';
import { createServer as createTcpServer, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { Server, ServerCredentials, type UntypedServiceImplementation } from '@grpc/grpc-js';

const [mode, ...urls] = process.argv.slice(2);
process.on('SIGTERM', () => process.exit(0));

if (mode === 'serve') serve();
else if (mode === 'load') load();
else throw new Error(`there is no mode ${mode}`);

/** HTTP on 8080 and a line of TCP on 9000, answered with what is seen of them; gRPC health checks on 9100; all on both families. */
function serve(): void {
  const seen = (socket: Socket) => ({ pod: hostname(), from: socket.remoteAddress, to: socket.localAddress });
  createServer((request, response) => {
    const { method, url, headers, socket } = request;
    response.setHeader('content-type', 'application/json');
    response.end(`${JSON.stringify({ ...seen(socket), method, url, headers })}\n`);
  }).listen(8080, '::');
  createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (data) => socket.write(`${JSON.stringify({ ...seen(socket), said: data.toString().trim() })}\n`));
  }).listen(9000, '::');
  const grpc = new Server();
  const check = {
    ...{ path: '/grpc.health.v1.Health/Check', requestStream: false, responseStream: false },
    ...{ requestSerialize: Buffer.from, requestDeserialize: Buffer.from },
    ...{ responseSerialize: Buffer.from, responseDeserialize: Buffer.from },
  };
  // A HealthCheckResponse whose status is SERVING.
  const answer = (_: unknown, callback: (error: null, answer: Buffer) => void) => callback(null, Buffer.from([8, 1]));
  grpc.addService({ check }, { check: answer } as unknown as UntypedServiceImplementation);
  grpc.bindAsync('[::]:9100', ServerCredentials.createInsecure(), (error) => {
    if (error) throw error;
  });
}

/** Asks the URLs in turn, 20 times a second; 8081 tells what came of it. Every second request has a connection of its own. */
function load(): void {
  const report = { asked: 0, answered: 0, failures: [] as string[] };
  const agents = [new Agent({ keepAlive: true }), new Agent({ keepAlive: false })];
  setInterval(() => {
    const url = urls[report.asked % urls.length]!;
    const agent = agents[Math.floor(report.asked / urls.length) % agents.length]!;
    report.asked++;
    const fail = (why: string) => {
      if (report.failures.length < 100) report.failures.push(`${new Date().toISOString()} ${url}: ${why}`);
    };
    const request = get(url, { agent, timeout: 10_000 }, (response: IncomingMessage) => {
      response.resume();
      response.on('end', () => (response.statusCode === 200 ? report.answered++ : fail(`HTTP ${response.statusCode}`)));
    });
    request.on('timeout', () => request.destroy(new Error('no answer within 10 s')));
    request.on('error', (error) => fail(error.message));
  }, 50);
  createServer((_, response) => response.end(`${JSON.stringify(report)}\n`)).listen(8081, '::');
}
