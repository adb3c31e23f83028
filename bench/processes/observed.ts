import { Writable } from 'node:stream';
import { Mesh } from '../../src/mesh/mesh.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { nowMs } from '../clock.ts';

/** When an object was taken into the mesh. */
export interface Put {
  readonly key: string;
  readonly atMs: number;
}

/** What the process has used. */
export interface Usage {
  readonly rssBytes: number;
  readonly peakRssBytes: number;
  readonly heapUsedBytes: number;
  /** Array buffers and other memory outside of the JavaScript heap. */
  readonly externalBytes: number;
  /** User and system time since the process began. */
  readonly cpuMs: number;
}

/** The real composition root; a benchmark looks at it from outside, but for the moment at which the mesh takes a change in. */
let puts: Put[] = [];
const { put } = Mesh.prototype;
Mesh.prototype.put = function (key, fragment) {
  puts.push({ key, atMs: nowMs() });
  return put.call(this, key, fragment);
};

/** What was taken into the mesh since the last call. */
export function takePuts(): Put[] {
  const taken = puts;
  puts = [];
  return taken;
}

/** Logs as in production, to nowhere but for the first few lines that tell of something wrong. */
let shownLines = 0;
export const logger = createLogger({
  format: 'json',
  stream: new Writable({
    write(chunk: Buffer, _encoding, done) {
      const line = chunk.toString();
      if (!line.includes('"level":"info"') && shownLines++ < 5) process.stderr.write(line);
      done();
    },
  }),
});

/** `collected`: after the garbage is gone. */
export function usage({ collected }: { readonly collected: boolean }): Usage {
  if (collected) for (let round = 0; round < 4; round++) globalThis.gc!();
  const { rss, heapUsed, external } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  const { maxRSS } = process.resourceUsage();
  return {
    rssBytes: rss,
    peakRssBytes: maxRSS * 1024,
    heapUsedBytes: heapUsed,
    externalBytes: external,
    cpuMs: (user + system) / 1000,
  };
}
