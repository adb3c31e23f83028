import { connect as connectHttp2 } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { formatAddress } from './address.ts';
import { makeCall, startLoad } from './client.ts';
import { ipv6Component } from './components.ts';
import { type Echo, type EchoOptions, startEcho } from './echo-server.ts';
import { eventually } from './eventually.ts';

const ipv6 = (await ipv6Component()).present;

const started: Echo[] = [];
const start = async (options: EchoOptions): Promise<Echo & { to: string }> => {
  const echo = await startEcho(options);
  started.push(echo);
  return { ...echo, to: formatAddress(echo.address) };
};
afterEach(async () => {
  await Promise.all(started.splice(0).map((echo) => echo.close()));
});

describe('startEcho', () => {
  it.each(ipv6 ? ['127.0.0.1', '::1'] : ['127.0.0.1'])('answers HTTP on %s with what it was asked', async (host) => {
    const echo = await start({ name: 'a', listen: formatAddress({ host, port: 0 }) });
    const answer = await makeCall({
      to: echo.to,
      host: 'shop.example.com',
      method: 'POST',
      path: '/x?y=1',
      headers: { 'x-user': 'me' },
      body: 'four',
    });
    expect(answer.status).toBe(200);
    expect(answer.echo).toMatchObject({
      name: 'a',
      method: 'POST',
      path: '/x?y=1',
      headers: { host: 'shop.example.com', 'x-user': 'me' },
      remoteAddress: host,
      localAddress: host,
      bodyBytes: 4,
    });
    expect(await echo.requests()).toBe(1);
  });

  it('answers on a unix socket', async () => {
    const echo = await start({ listen: `unix:${join(tmpdir(), `weft-echo-${process.pid}.sock`)}` });
    expect((await makeCall({ to: echo.to })).echo).toMatchObject({ name: 'http', path: '/' });
    expect(echo.port).toBe(0);
  });

  it('answers with the status and after the delay that the path asks for', async () => {
    const echo = await start({});
    expect((await makeCall({ to: echo.to, path: '/status/503' })).status).toBe(503);
    expect((await makeCall({ to: echo.to, path: '/delay?ms=1' })).status).toBe(200);
    expect((await makeCall({ to: echo.to, path: '/delay?ms=60000', timeoutMs: 100 })).error).toMatch(/timeout|ABORT/i);
  });

  it('tells the name a TLS client asked for', async () => {
    const echo = await start({ protocol: 'https', name: 's' });
    const answer = await makeCall({ protocol: 'https', to: echo.to, host: 'api.example.com' });
    expect(answer.echo).toMatchObject({ name: 's', servername: 'api.example.com', headers: { host: 'api.example.com' } });
    expect((await makeCall({ protocol: 'https', to: echo.to })).echo?.servername).toBeUndefined();
  });

  it('speaks HTTP/2 without TLS', async () => {
    const echo = await start({ protocol: 'http2', name: 'h2' });
    const session = connectHttp2(`http://${echo.to}`);
    const stream = session.request({ ':path': '/grpc' });
    let body = '';
    for await (const chunk of stream) body += chunk;
    session.close();
    expect(JSON.parse(body)).toMatchObject({ name: 'h2', path: '/grpc', httpVersion: '2.0' });
  });

  it('greets over TCP and sends back what it gets', async () => {
    const echo = await start({ protocol: 'tcp', name: 't' });
    expect((await makeCall({ protocol: 'tcp', to: echo.to, body: 'ping' })).body).toBe('t\nping\n');
  });

  it('refuses connections once closed, and cuts those that are open', async () => {
    const echo = await start({});
    const slow = makeCall({ to: echo.to, path: '/delay?ms=60000' });
    expect((await makeCall({ to: echo.to })).status).toBe(200);
    await echo.close();
    expect((await slow).error).toBe('ECONNRESET');
    expect((await makeCall({ to: echo.to })).error).toBe('ECONNREFUSED');
  });

  it('says where it could not listen', async () => {
    const echo = await start({});
    await expect(startEcho({ name: 'b', listen: echo.to })).rejects.toThrow(`echo server b cannot listen on ${echo.to}`);
  });
});

describe('startLoad', () => {
  it('counts what it sent and who answered', async () => {
    const echo = await start({ name: 'a' });
    const load = await startLoad({ to: echo.to });
    await eventually('20 calls', async () => (await load.result()).sent >= 20);
    await echo.close();
    await eventually('a failed call', async () => (await load.result()).failed > 0);
    const { sent, failed, outcomes } = await load.stop();
    expect(outcomes.a).toBeGreaterThanOrEqual(20);
    expect(outcomes.a! + failed).toBe(sent);
  });
});
