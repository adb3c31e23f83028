/**
 * The application of the tests' pods, in the operator's image beside its packages: `node app.ts serve [ADDRESS] [https]` and
 * `node app.ts load URL…`. Both end at SIGTERM.
 */
import { execFileSync } from 'node:child_process';
import { Agent, createServer, get, type IncomingMessage, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createServer as createTcpServer, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { Server, ServerCredentials, type UntypedServiceImplementation } from '@grpc/grpc-js';

const [mode, ...words] = process.argv.slice(2);
process.on('SIGTERM', () => process.exit(0));

if (mode === 'serve') serve();
else if (mode === 'load') load();
else throw new Error(`there is no mode ${mode}`);

/**
 * HTTP on 8080 and a line of TCP on 9000, answered with what is seen of them; gRPC health checks on 9100. Where: `0.0.0.0`, `::1`, `ipv6` for
 * every address of IPv6 alone, default both families. With `https`, HTTP over TLS on 8443 as well.
 *
 * `/turn-off/tcp` ends 9000 and `/turn-off/grpc` the good health; `/late` answers 503 for three seconds; what begins with `/hook/` is logged.
 */
function serve(): void {
  const where = words[0] === 'ipv6' ? { host: '::', ipv6Only: true } : { host: words[0] ?? '::' };
  const startedMs = performance.now();
  let health = 1;
  const seen = (socket: Socket) => ({ pod: hostname(), from: socket.remoteAddress, to: socket.localAddress });
  const answerHttp: RequestListener = (request, response) => {
    const { method, url = '/', headers, socket } = request;
    if (url === '/turn-off/tcp') tcp.close();
    if (url === '/turn-off/grpc') health = 2;
    if (url === '/late' && performance.now() - startedMs < 3000) response.statusCode = 503;
    if (url.startsWith('/hook/')) console.log(url);
    response.setHeader('content-type', 'application/json');
    response.end(`${JSON.stringify({ ...seen(socket), method, url, headers })}\n`);
  };
  createServer(answerHttp).listen({ port: 8080, ...where });
  if (words.includes('https')) {
    const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', '-', '-subj', '/CN=app'];
    const pem = execFileSync('openssl', ['req', '-x509', ...made], { stdio: ['ignore', 'pipe', 'ignore'] });
    createHttpsServer({ key: pem, cert: pem }, answerHttp).listen({ port: 8443, ...where });
  }
  const tcp = createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (data) => socket.write(`${JSON.stringify({ ...seen(socket), said: data.toString().trim() })}\n`));
  }).listen({ port: 9000, ...where });
  const grpc = new Server();
  const check = {
    ...{ path: '/grpc.health.v1.Health/Check', requestStream: false, responseStream: false },
    ...{ requestSerialize: Buffer.from, requestDeserialize: Buffer.from },
    ...{ responseSerialize: Buffer.from, responseDeserialize: Buffer.from },
  };
  // A HealthCheckResponse: SERVING or NOT_SERVING.
  const answer = (_: unknown, callback: (error: null, answer: Buffer) => void) => callback(null, Buffer.from([8, health]));
  grpc.addService({ check }, { check: answer } as unknown as UntypedServiceImplementation);
  grpc.bindAsync(
    where.host.includes(':') ? `[${where.host}]:9100` : `${where.host}:9100`,
    ServerCredentials.createInsecure(),
    (error) => {
      if (error) throw error;
    },
  );
}

/** Asks the URLs in turn, 20 times a second; 8081 tells what came of it. Every second request has a connection of its own. */
function load(): void {
  const urls = words;
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
