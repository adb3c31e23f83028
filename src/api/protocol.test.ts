import { describe, expect, it } from 'vitest';
import { isHttp, isHttp2, isSniffed, isTcp, isTls, parseProtocol, protocolNames } from './protocol.ts';

describe('parseProtocol', () => {
  it.each(
    protocolNames.flatMap((name) => [
      [name, name],
      [name.toLowerCase(), name],
      [name.toUpperCase(), name],
    ]),
  )('%s', (text, expected) => {
    expect(parseProtocol(text)).toBe(expected);
  });

  it.each([undefined, '', 'QUIC', 'toString', ' http'])('takes %j for one to be detected', (text) => {
    expect(parseProtocol(text)).toBe('Unsupported');
    expect(isSniffed(parseProtocol(text))).toBe(true);
  });

  it('sorts protocols as Istio does', () => {
    expect(protocolNames.filter(isHttp)).toEqual(['HTTP', 'HTTP2', 'GRPC', 'GRPC-Web', 'HTTP_PROXY']);
    expect(protocolNames.filter(isHttp2)).toEqual(['HTTP2', 'GRPC', 'GRPC-Web']);
    expect(protocolNames.filter(isTls)).toEqual(['HTTPS', 'TLS']);
    expect(protocolNames.filter(isTcp)).toEqual(['HTTPS', 'TLS', 'TCP', 'Mongo', 'MySQL', 'Redis']);
  });
});
