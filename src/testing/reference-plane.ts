import type { KubeConfig } from '@kubernetes/client-node';
import { Registry } from 'prom-client';
import { meshKinds } from '../api/index.ts';
import { createControlPlane } from '../control-plane.ts';
import { typeUrls } from '../envoy/resource.ts';
import { defaultMeshConfig, type MeshConfig } from '../mesh/mesh-config.ts';
import { objectKey } from '../mesh/object-key.ts';
import { createSource } from '../operator.ts';
import { Cache } from '../runtime/cache/cache.ts';
import { listPages } from '../runtime/client/list-pages.ts';
import { RestClient } from '../runtime/client/rest-client.ts';
import { systemClock } from '../runtime/clock.ts';
import { silentLogger } from '../runtime/logger.ts';
import { compareStatus } from '../status/compare-status.ts';
import type { PublishedObject } from '../status/published-status.ts';
import type { ObjectStatus } from '../status/render-status.ts';
import { differencesOf, SimulatedFleet } from './simulated-fleet.ts';
import { until } from './until.ts';

/** A control plane that was started from nothing on the present state of an API server. It writes nothing, and leads nobody. */
export interface ReferencePlane {
  /** Where proxies connect. */
  readonly address: string;
  /** Whether so many proxies are connected, and have acknowledged all that they asked for. */
  hasServed(proxies: number): boolean;
  /** What the status of each object should be, by its key. */
  statuses(): Map<string, ObjectStatus>;
  stop(): Promise<void>;
}

/** Starts one and waits until it has taken everything in. */
export async function startReferencePlane(
  kubeConfig: KubeConfig,
  config: MeshConfig = defaultMeshConfig,
): Promise<ReferencePlane> {
  const stopping = new AbortController();
  const [cache, rest, logger, clock] = [new Cache(), new RestClient({ kubeConfig }), silentLogger, systemClock];
  const plane = createControlPlane({ cache, config, clock, logger, registry: new Registry(), isCluster: true });
  const source = createSource({ plane, rest, cache, logger, clock });
  const running = [source, ...plane.controllers].map((part) => part.start(stopping.signal));
  await source.waitForReady(stopping.signal);
  await Promise.all(plane.controllers.map(({ caughtUp }) => caughtUp));
  const { address } = await plane.xds.listen('127.0.0.1', 0);
  return {
    address,
    hasServed(proxies) {
      const reports = plane.xds.proxies();
      const isServed = ({ typeUrl, state }: (typeof reports)[number]['types'][number]) =>
        state === 'synced' || (state === 'not subscribed' && typeUrl !== typeUrls.cluster && typeUrl !== typeUrls.listener);
      return reports.length === proxies && reports.every(({ types }) => types.every(isServed));
    },
    statuses: () => new Map(plane.status.keys().map((key) => [key, plane.status.get(key)!])),
    async stop() {
      stopping.abort();
      await plane.xds.close({ deadlineMs: 1_000 });
      await Promise.all(running);
      plane.close();
      rest.close();
    },
  };
}

/**
 * Waits until nothing is lost: every proxy of the fleet holds what a control plane started from nothing sends to such a proxy, and
 * every object has the status that this control plane would give it. Nobody may change the world meanwhile.
 * @param kubeConfig past any fault
 */
export async function expectAsFromNothing(
  kubeConfig: KubeConfig,
  fleet: SimulatedFleet,
  timeoutMs = 20_000,
  config?: MeshConfig,
): Promise<void> {
  const reference = await startReferencePlane(kubeConfig, config);
  const twins = new SimulatedFleet();
  const rest = new RestClient({ kubeConfig });
  try {
    twins.connect(reference.address, fleet.proxies);
    const check = async () => {
      if (!reference.hasServed(fleet.proxies.length)) throw new Error('the reference has not served its proxies yet');
      const lines = differencesOf(fleet.held(), twins.held());
      if (lines.length > 0) throw new Error(`proxies do not hold what is served from nothing:\n${lines.join('\n')}`);
      const wrong = await wrongStatuses(rest, reference.statuses());
      if (wrong.length > 0) throw new Error(`statuses are not what they are from nothing:\n${wrong.join('\n')}`);
    };
    await until(check, timeoutMs);
  } finally {
    twins.close();
    await reference.stop();
    rest.close();
  }
}

/** Objects whose published status differs from the wanted one by more than the writer leaves for later; at most five. */
async function wrongStatuses(rest: RestClient, wanted: ReadonlyMap<string, ObjectStatus>): Promise<string[]> {
  const wrong: string[] = [];
  const left = new Set(wanted.keys());
  for (const kind of meshKinds) {
    for await (const { items } of listPages<PublishedObject>(rest, kind, {})) {
      for (const { metadata, status } of items) {
        const key = objectKey(kind.kind, metadata.namespace, metadata.name);
        left.delete(key);
        const aim = wanted.get(key);
        // Of a namespace that takes no part: nobody looks after what stands there.
        if (!aim) continue;
        if (['none', 'small'].includes(compareStatus(status && timeless(status), timeless(aim)))) continue;
        wrong.push(`${key}: ${JSON.stringify(status)} instead of ${JSON.stringify(aim)}`);
      }
    }
  }
  return [...wrong, ...[...left].map((key) => `${key}: not in the API server any more`)].slice(0, 5);
}

/** Without the end of a journey that the reference has not seen. */
function timeless(status: ObjectStatus): ObjectStatus {
  const { completedAt: _, ...propagation } = status.propagation ?? {};
  return { ...status, propagation } as ObjectStatus;
}
