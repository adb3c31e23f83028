import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkPorts, whyNotFree } from './ports.ts';

describe('ports', () => {
  let server: Server;
  let port: number;
  beforeEach(async () => {
    server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  });
  afterEach(() => new Promise((resolve) => server.close(resolve)));

  const services = () => [{ name: 'blue', protocol: 'http' as const, address: `127.0.0.1:${port}`, who: 'the service blue' }];

  it('names what needs the port, and what to do', async () => {
    const check = checkPorts({ services: services(), routes: [] }, 'samples');
    await expect(check).rejects.toThrow(`127.0.0.1:${port} is taken (needed by the service blue); see who has it: ss -ltnp`);
    await expect(check).rejects.toThrow('change the port in samples/');
  });

  it('is silent once it is free', async () => {
    expect(await whyNotFree('127.0.0.1', port)).toBe('EADDRINUSE');
    await new Promise((resolve) => server.close(resolve));
    expect(await whyNotFree('127.0.0.1', port)).toBeUndefined();
    await checkPorts({ services: services(), routes: [] }, 'samples');
  });
});
