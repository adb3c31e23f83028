import { describe, expect, it } from 'vitest';
import { formatAddress, parseAddress } from './address.ts';

describe('addresses', () => {
  it.each(['127.0.0.1:80', '[::1]:0', '[2001:db8::10]:65535', 'localhost:8080', 'unix:/tmp/a b.sock'])(
    '%s reads back as itself',
    (text) => {
      expect(formatAddress(parseAddress(text))).toBe(text);
    },
  );

  it.each(['', '127.0.0.1', '::1:80', '[::1]', 'host:65536', 'unix:', 'host:-1'])(
    'refuses %j and says which forms there are',
    (text) => {
      expect(() => parseAddress(text)).toThrow(`'${text}' is no address: write HOST:PORT, [IPV6]:PORT or unix:PATH`);
    },
  );
});
