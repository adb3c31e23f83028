import { parseAddress } from '../e2e/env/address.ts';
import { buildBootstrap } from '../e2e/env/bootstrap.ts';
import { type Envoy, startEnvoy } from '../e2e/env/envoy.ts';
import { ensureEnvoy } from '../e2e/env/envoy-binary.ts';
import { describeExit } from '../e2e/env/process.ts';
import { progressPrinter } from '../e2e/env/progress.ts';
import { client } from './plan.ts';

/** The demo's Envoy, or why there is none. */
export interface ClientProxy {
  /** False: it could not be started, or has ended. */
  readonly isRunning: boolean;
  /** Nothing while it runs as it should, else what has happened and what to do, in lines. */
  readonly trouble: readonly string[];
  stop(): Promise<void>;
}

/** Where Envoy's binary is, or why there is none. */
export type EnvoyBinary = { readonly path: string } | { readonly trouble: readonly string[] };

/** Fetches Envoy if it is not here yet, with progress on stderr. Never rejects: the control plane is worth a look without it. */
export async function findBinary(ending: AbortSignal): Promise<EnvoyBinary> {
  const onProgress = progressPrinter(process.stderr);
  return Promise.race([ensureEnvoy({ onProgress }), rejectOn(ending)])
    .then((path) => ({ path }), troubleOf)
    .finally(onProgress.done);
}

/** Starts Envoy on the control plane, and waits until it has its first listeners. Never rejects: `trouble` says what went wrong. */
export async function startClientProxy(binary: EnvoyBinary, xdsAddress: string, ending: AbortSignal): Promise<ClientProxy> {
  if ('trouble' in binary) return withoutProxy(binary);
  const identity = { ...client, ips: ['127.0.0.1'], interceptionMode: 'NONE' as const };
  const bootstrap = buildBootstrap({ identity, xds: { address: parseAddress(xdsAddress) } });
  let envoy: Envoy | undefined;
  try {
    envoy = await startEnvoy({ bootstrap, binary: binary.path });
    await Promise.race([envoy.waitForReady(), rejectOn(ending)]);
    return watched(envoy);
  } catch (error) {
    await envoy?.stop();
    return withoutProxy(troubleOf(error));
  }
}

function rejectOn(ending: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const end = (): void => reject(new Error('The proxy was not started: interrupted'));
    if (ending.aborted) end();
    else ending.addEventListener('abort', end, { once: true });
  });
}

/** How much of a message or log finds room above the table. */
const shownLines = 8;

function troubleOf(error: unknown): { readonly trouble: readonly string[] } {
  return { trouble: (error instanceof Error ? error.message : String(error)).split('\n').slice(0, shownLines) };
}

function withoutProxy({ trouble }: { readonly trouble: readonly string[] }): ClientProxy {
  return { isRunning: false, trouble, stop: async () => {} };
}

function watched(envoy: Envoy): ClientProxy {
  let trouble: readonly string[] = [];
  void envoy.exited.then((exit) => {
    const log = envoy.log().split('\n').filter(Boolean).slice(-shownLines);
    trouble = [`The proxy has ended with ${describeExit(exit)}; start the demo again. Its last words:`, ...log];
  });
  return {
    get isRunning() {
      return !trouble.length;
    },
    get trouble() {
      return trouble;
    },
    stop: async () => void (await envoy.stop()),
  };
}
