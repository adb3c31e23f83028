import { Registry } from 'prom-client';
import { meshKinds } from './api/index.ts';
import { createControlPlane } from './control-plane.ts';
import { checkObject } from './controllers/check-object.ts';
import type { MeshConfig } from './mesh/mesh-config.ts';
import { Cache } from './runtime/cache/cache.ts';
import { systemClock } from './runtime/clock.ts';
import type { Logger } from './runtime/logger.ts';
import { FileSource } from './sources/file/file-source.ts';
import { createHttpRoutes, metricsHandler } from './status/http-routes.ts';
import { type HttpServer, startHttpServer } from './status/http-server.ts';
import { version } from './version.ts';
import type { RolloutOptions } from './xds/rollout/rollout-report.ts';

export interface StandaloneOptions {
  /** Directories and files of YAML. */
  readonly paths: readonly string[];
  readonly config: MeshConfig;
  readonly logger: Logger;
  readonly xdsBind: { readonly host: string; readonly port: number };
  readonly httpBind: { readonly host: string; readonly port: number };
  /** Absent: no metrics are served. */
  readonly metricsBind?: { readonly host: string; readonly port: number };
  /** How generations of an EnvoyFilter reach the fleet. */
  readonly rollout?: RolloutOptions;
}

export interface Standalone {
  /** As bound, where port 0 was asked for. */
  readonly xdsAddress: string;
  readonly httpAddress: string;
  /** Undefined: no metrics are served. */
  readonly metricsAddress: string | undefined;
  /** Resolves with the error if a part ends by itself. */
  readonly failed: Promise<Error>;
  stop(options: { readonly deadlineMs: number }): Promise<void>;
}

/** How long streams are given to end when a part fails at start, in milliseconds. */
const failureDeadlineMs = 1000;

/**
 * The composition root without a cluster: makes the stages, joins them in the order in which a change travels, starts them.
 * Proxies are served only after the first list has been taken in, so that none is told that what it holds is gone.
 * Rejects, with everything ended again, if a part cannot start.
 */
export async function startStandalone(options: StandaloneOptions): Promise<Standalone> {
  const { paths, config, logger, xdsBind, httpBind, metricsBind } = options;
  const clock = systemClock;
  const registry = new Registry();
  const stopping = new AbortController();

  const cache = new Cache({ logger });
  const source = new FileSource({ paths, cache, logger, kinds: meshKinds, validate: checkObject, deliversInvalid: true });
  const { rollout } = options;
  const plane = createControlPlane({ cache, config, clock, logger, registry, isCluster: false, ...(rollout && { rollout }) });
  const { controllers, xds, status } = plane;
  const servers: HttpServer[] = [];

  const parts = [source, ...controllers].map((part) => part.start(stopping.signal));
  const failed = new Promise<Error>((resolve) => {
    for (const part of parts) part.catch(resolve);
  });
  const stop: Standalone['stop'] = async ({ deadlineMs }) => {
    stopping.abort();
    await Promise.allSettled(parts);
    await xds.close({ deadlineMs });
    plane.close();
    await Promise.all(servers.map((server) => server.close()));
  };

  try {
    const firstList = cache.waitForSync(stopping.signal).then(() => Promise.all(controllers.map(({ caughtUp }) => caughtUp)));
    await Promise.race([firstList, failed.then((error) => Promise.reject(error))]);
    const { address: xdsAddress } = await xds.listen(xdsBind.host, xdsBind.port);
    const routes = createHttpRoutes({
      status,
      xds,
      version,
      diagnostics: () => source.diagnostics(),
      isReady: () => !stopping.signal.aborted,
    });
    const http = await startHttpServer(httpBind.host, httpBind.port, '--http-bind', routes);
    servers.push(http);
    let metricsAddress: string | undefined;
    if (metricsBind) {
      const routes = new Map([['metrics', metricsHandler(registry)]]);
      const metrics = await startHttpServer(metricsBind.host, metricsBind.port, '--metrics-bind', routes);
      servers.push(metrics);
      metricsAddress = metrics.address;
    }
    return { xdsAddress, httpAddress: http.address, metricsAddress, failed, stop };
  } catch (error) {
    await stop({ deadlineMs: failureDeadlineMs });
    throw error;
  }
}
