import type { SeriesResult } from '../change-series.ts';
import { startLoadClients } from '../control-plane.ts';
import { type Percentiles, percentilesOf } from '../percentiles.ts';
import type { BareServerOperations } from '../processes/bare-server.ts';
import { Child } from '../processes/child.ts';

/** What the same bytes take with nothing around them. */
export interface Floor {
  /** From the first write to the last acknowledgement. */
  readonly latency: Percentiles;
  /** The server's CPU for one round. */
  readonly cpuMs: number;
}

const warmUps = 30;

/** Pushes a series' responses from a bare server to as many clients as were affected, one round after the other. */
export async function measureFloor({ proxies, responses }: SeriesResult, rounds: number): Promise<Floor> {
  await using server = new Child<BareServerOperations>(new URL('../processes/bare-server.ts', import.meta.url));
  await using clients = startLoadClients();
  const address = await server.call('start', undefined);
  await clients.call('connectBare', { address, count: proxies });
  await server.call('connected', { count: proxies });
  const durationsMs: number[] = [];
  let cpuMs = 0;
  for (let round = 0; round < warmUps + rounds; round++) {
    if (round === warmUps) cpuMs = await server.call('cpuMs', undefined);
    await clients.call('expectRound', { responsesEach: responses.length });
    const startedAtMs = await server.call('push', { responses });
    const arrivedAtMs = await clients.call('roundArrived', undefined);
    if (round >= warmUps) durationsMs.push(arrivedAtMs - startedAtMs);
  }
  cpuMs = (await server.call('cpuMs', undefined)) - cpuMs;
  return { latency: percentilesOf(durationsMs), cpuMs: cpuMs / rounds };
}
