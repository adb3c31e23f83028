import { createServer } from 'node:net';
import { Writable } from 'node:stream';
import { startStandalone } from '../../src/main.ts';
import { Mesh } from '../../src/mesh/mesh.ts';
import { defaultMeshConfig } from '../../src/mesh/mesh-config.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { nowMs } from '../clock.ts';
import { serve } from './serve.ts';

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

/** Logs as in production, to nowhere but for the first few lines that tell of something wrong. */
let shownLines = 0;
const logger = createLogger({
  format: 'json',
  stream: new Writable({
    write(chunk: Buffer, _encoding, done) {
      const line = chunk.toString();
      if (!line.includes('"level":"info"') && shownLines++ < 5) process.stderr.write(line);
      done();
    },
  }),
});

const operations = {
  /** Serves a directory. Answers where, and when it was ready for proxies. */
  async start({ directory }: { directory: string }) {
    const host = '127.0.0.1';
    const metricsPort = await freePort(host);
    const { xdsAddress } = await startStandalone({
      paths: [directory],
      config: defaultMeshConfig,
      logger,
      xdsBind: { host, port: 0 },
      httpBind: { host, port: 0 },
      metricsBind: { host, port: metricsPort },
    });
    const readyAtMs = nowMs();
    puts = [];
    return { xdsAddress, metricsAddress: `${host}:${metricsPort}`, readyAtMs };
  },

  /** What was taken into the mesh since the last call. */
  puts(_: undefined): Put[] {
    const taken = puts;
    puts = [];
    return taken;
  },

  /** `collected`: after the garbage is gone. */
  usage({ collected }: { collected: boolean }): Usage {
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
  },
};

export type ControlPlaneOperations = typeof operations;

function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, host, () => {
      const address = server.address();
      server.close(() => (typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port is free'))));
    });
  });
}

serve(operations);
