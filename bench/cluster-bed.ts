import { serviceEntryKind } from '../src/api/index.ts';
import { typeUrls } from '../src/envoy/resource.ts';
import { namesOf } from '../src/installation-names.ts';
import { objectPath, resourcePath } from '../src/runtime/client/resource-path.ts';
import type { RestClient } from '../src/runtime/client/rest-client.ts';
import { leaseKind } from '../src/runtime/leader-election/lease.ts';
import { idle, nowMs } from './clock.ts';
import { changedEntry, endpointsOf } from './cluster-world.ts';
import { type BenchContext, shippedFlags, startLoadClients } from './control-plane.ts';
import { type Percentiles, percentilesOf } from './percentiles.ts';
import { Child } from './processes/child.ts';
import type { LoadClientsOperations } from './processes/load-clients.ts';
import type { Usage } from './processes/observed.ts';
import type { OperatorOperations, OperatorSetup, OperatorStart } from './processes/operator.ts';
import { spreadProxies } from './worlds.ts';

/** An operator in a process of its own, with one proxy. */
export class OperatorBed implements AsyncDisposable {
  readonly operator: Child<OperatorOperations>;
  readonly clients: Child<LoadClientsOperations>;
  readonly start: OperatorStart;
  /** From the process being asked for to the proxy's ACK of the last type. */
  readonly firstProxyMs: number;

  private constructor(parts: Pick<OperatorBed, 'operator' | 'clients' | 'start' | 'firstProxyMs'>) {
    this.operator = parts.operator;
    this.clients = parts.clients;
    this.start = parts.start;
    this.firstProxyMs = parts.firstProxyMs;
  }

  static async start(setup: OperatorSetup, { profileDirectory }: BenchContext): Promise<OperatorBed> {
    const clients = startLoadClients();
    // The clients' process is up before the clock starts.
    await clients.call('sample', undefined);
    const profiling = profileDirectory === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDirectory}`];
    const program = new URL('./processes/operator.ts', import.meta.url);
    const operator = new Child<OperatorOperations>(program, [...shippedFlags(), '--expose-gc', ...profiling]);
    const start = await operator.call('start', setup);
    const syncedAtMs = await clients.call('connect', { address: start.xdsAddress, shapes: spreadProxies(1, 1) });
    return new OperatorBed({ operator, clients, start, firstProxyMs: syncedAtMs - operator.startedAtMs });
  }

  usage(collected = false): Promise<Usage> {
    return this.operator.call('usage', { collected });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.operator[Symbol.asyncDispose]();
    await this.clients[Symbol.asyncDispose]();
  }
}

/** What changes of one ServiceEntry came to at one operator. */
export interface EntryChanges {
  /** From the request that changes it, and from the API server's answer to that, to the mesh having it. */
  readonly sentToReconciled: Percentiles;
  readonly answeredToReconciled: Percentiles;
  /** From the request to the proxy's ACK. */
  readonly sentToAcked: Percentiles;
  readonly cpuMsPerChange: number;
}

/** Changes that are not counted. */
const warmUps = 5;

/** Changes one ServiceEntry again and again and looks at all operators: each hears of the same change, so noise hits all. */
export async function changeEntry(rest: RestClient, beds: readonly OperatorBed[], rounds: number): Promise<EntryChanges[]> {
  const { name, cluster } = await findEntry(rest);
  const key = `ServiceEntry/${name}`;
  const path = objectPath(serviceEntryKind, name);
  const sent: number[] = [];
  const answered: number[] = [];
  const acked = beds.map((): number[] => []);
  const cpuMs = beds.map(() => 0);
  for (let round = 0; round < warmUps + rounds; round++) {
    if (round === warmUps) {
      for (const [index, bed] of beds.entries()) {
        await bed.operator.call('puts', undefined);
        cpuMs[index] = -(await bed.usage()).cpuMs;
      }
    }
    await idle(20);
    for (const { clients } of beds)
      await clients.call('expect', { marks: [{ typeUrl: typeUrls.endpoint, name: cluster }], affected: {} });
    const sentAtMs = nowMs();
    const body = { spec: { endpoints: endpointsOf(round) } };
    await rest.request({ method: 'PATCH', path, body, contentType: 'application/merge-patch+json' });
    const answeredAtMs = nowMs();
    const arrivals = await Promise.all(beds.map(({ clients }) => clients.call('arrived', undefined)));
    if (round < warmUps) continue;
    sent.push(sentAtMs);
    answered.push(answeredAtMs);
    for (const [index, atMs] of arrivals.entries()) acked[index]!.push(atMs - sentAtMs);
  }
  return Promise.all(
    beds.map(async (bed, index) => {
      const usedMs = cpuMs[index]! + (await bed.usage()).cpuMs;
      const puts = (await bed.operator.call('puts', undefined)).filter((put) => put.key === key);
      if (puts.length !== rounds) throw new Error(`${rounds} changes of ${key}, the mesh took ${puts.length} in`);
      return {
        sentToReconciled: percentilesOf(puts.map(({ atMs }, round) => atMs - sent[round]!)),
        answeredToReconciled: percentilesOf(puts.map(({ atMs }, round) => atMs - answered[round]!)),
        sentToAcked: percentilesOf(acked[index]!),
        cpuMsPerChange: usedMs / rounds,
      };
    }),
  );
}

/** Gives the Lease to somebody who is not there, for a day: no operator leads. */
export async function holdLease(rest: RestClient): Promise<void> {
  const renewTime = new Date().toISOString().replace('Z', '000Z');
  const spec = { holderIdentity: 'bench', leaseDurationSeconds: 86_400, acquireTime: renewTime, renewTime };
  const path = resourcePath(leaseKind, 'weft-system');
  await rest.request({ method: 'POST', path, body: { metadata: { name: namesOf().lease }, spec } });
}

async function findEntry(rest: RestClient): Promise<{ name: `${string}/${string}`; cluster: string }> {
  const { namespace, position } = changedEntry;
  const path = resourcePath(serviceEntryKind, namespace);
  const { items } = await rest.request<{ items: { metadata: { name: string }; spec: { hosts: string[] } }[] }>({ path });
  const { metadata, spec } = items[position]!;
  return { name: `${namespace}/${metadata.name}`, cluster: `outbound|80||${spec.hosts[0]}` };
}
