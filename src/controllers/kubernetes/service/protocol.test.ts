import { describe, expect, it } from 'vitest';
import type { KubernetesServicePort } from '../../../api/kubernetes/service.ts';
import { protocolOf } from './protocol.ts';

const protocol = (port: Partial<KubernetesServicePort>) => protocolOf({ port: 8080, ...port });

describe('the protocol of a Service port', () => {
  it.each([
    ['http', 'HTTP'],
    ['http-web', 'HTTP'],
    ['HTTP2-x', 'HTTP2'],
    ['grpc', 'GRPC'],
    ['grpc-api', 'GRPC'],
    ['grpc-web', 'GRPC-Web'],
    ['grpc-web-api', 'GRPC-Web'],
    ['https-443', 'HTTPS'],
    ['tls-x', 'TLS'],
    ['tcp', 'TCP'],
    ['mongo-1', 'Mongo'],
    ['redis', 'Redis'],
    ['httpd', 'Unsupported'],
    ['web-http', 'Unsupported'],
    ['', 'Unsupported'],
  ])('by name: %j is %s', (name, expected) => {
    expect(protocol({ name })).toBe(expected);
  });

  it.each([
    ['kubernetes.io/h2c', 'HTTP2'],
    ['kubernetes.io/ws', 'HTTP'],
    ['kubernetes.io/wss', 'HTTPS'],
    ['GRPC', 'GRPC'],
    ['tcp', 'TCP'],
    ['example.com/own', 'Unsupported'],
    ['', 'Unsupported'],
  ])('appProtocol %j is %s, whatever the name says', (appProtocol, expected) => {
    expect(protocol({ appProtocol, name: 'http-web' })).toBe(expected);
  });

  it.each([25, 53, 3306, 27017])('port %i is TCP where nothing says otherwise', (port) => {
    expect(protocol({ port })).toBe('TCP');
    expect(protocol({ port, appProtocol: 'example.com/own' })).toBe('TCP');
    expect(protocol({ port, name: 'http-odd' })).toBe('HTTP');
  });

  it('UDP is UDP', () => {
    expect(protocol({ protocol: 'UDP', name: 'http', appProtocol: 'http' })).toBe('UDP');
  });
});
