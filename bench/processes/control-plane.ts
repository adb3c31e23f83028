import { createServer } from 'node:net';
import { startStandalone } from '../../src/main.ts';
import { defaultMeshConfig } from '../../src/mesh/mesh-config.ts';
import { nowMs } from '../clock.ts';
import { logger, type Put, takePuts, usage } from './observed.ts';
import { serve } from './serve.ts';

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
    takePuts();
    return { xdsAddress, metricsAddress: `${host}:${metricsPort}`, readyAtMs };
  },

  /** What was taken into the mesh since the last call. */
  puts: (_: undefined): Put[] => takePuts(),

  usage,
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
