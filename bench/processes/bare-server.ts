import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { adsService } from '../../src/xds/ads-service.ts';
import { idle, nowMs } from '../clock.ts';
import { serve } from './serve.ts';

const calls = new Set<ServerDuplexStream<Buffer, Buffer>>();

const operations = {
  /** Opens a port and answers it. */
  start(_: undefined): Promise<string> {
    const server = new Server({ 'grpc.max_send_message_length': -1 });
    const accept = (call: ServerDuplexStream<Buffer, Buffer>) => {
      calls.add(call);
      call.on('data', () => {});
      call.on('error', () => {});
    };
    server.addService(adsService, { StreamAggregatedResources: accept, DeltaAggregatedResources: accept });
    return new Promise((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        error ? reject(error) : resolve(`127.0.0.1:${port}`),
      );
    });
  },

  /** Answers when so many streams are open. */
  async connected({ count }: { count: number }): Promise<void> {
    while (calls.size < count) await idle(5);
  },

  /** Writes the same responses to every stream, on a timer. Answers when it began. */
  push({ responses }: { responses: readonly Uint8Array[] }): Promise<number> {
    return new Promise((resolve) => {
      setTimeout(() => {
        const startedAtMs = nowMs();
        for (const response of responses) {
          const message = Buffer.from(response);
          for (const call of calls) call.write(message);
        }
        resolve(startedAtMs);
      }, 20);
    });
  },

  /** User and system time since the process began. */
  cpuMs(_: undefined): number {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
};

export type BareServerOperations = typeof operations;

serve(operations);
