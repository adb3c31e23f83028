import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { namespaceKind } from '../../api/kubernetes/namespace.ts';
import { typeUrls } from '../../envoy/resource.ts';
import { defaultMeshConfig } from '../../mesh/mesh-config.ts';
import { isNotFound } from '../../runtime/client/api-error.ts';
import type { Fault } from '../../runtime/testenv/fault.ts';
import { type FaultProxy, startFaultProxy } from '../../runtime/testenv/fault-proxy.ts';
import type { TestEnv } from '../../runtime/testenv/test-env.ts';
import type { Verdict } from '../../xds/testing/ads-client.ts';
import type { ClientResponse } from '../../xds/testing/client-state.ts';
import { applyObject } from '../changing-world.ts';
import { type OperatorProcess, startOperatorProcess } from '../operator-process.ts';
import { expectAsFromNothing } from '../reference-plane.ts';
import { mixedProxies, SimulatedFleet } from '../simulated-fleet.ts';
import { Random } from './random.ts';
import { SoakWorld } from './soak-world.ts';

export interface SoakOptions {
  readonly env: TestEnv;
  readonly seed: number;
  readonly durationMs: number;
  readonly proxies: number;
  /** Kill replicas too, and the API server: each costs a lease or a start. */
  readonly kills: boolean;
  /** About how long between two comparisons, in milliseconds. */
  readonly checkEveryMs: number;
  readonly log: (line: string) => void;
}

/** What a soak came to. */
export interface SoakReport {
  readonly changes: SoakWorld['counts'];
  /** By name, how often. */
  readonly faults: Readonly<Record<string, number>>;
  readonly comparisons: number;
  /** Resident memory of all replicas together, at each comparison, in MiB. */
  readonly residentMiB: readonly number[];
}

const mesh = { mesh: 'on' };
const config = { ...defaultMeshConfig, discoverySelectors: [{ matchLabels: mesh }] };

/** How long everything may take to be right again, once nothing is wrong any more: a lease, and what the next leader waits for. */
const settleMs = 120_000;

/**
 * Random changes, faults and proxies on two replicas of `weft operator`. At random points everything is let come to rest and compared
 * with a control plane that was started from nothing. Rejects at the first difference, and when a replica ends or says something
 * of an unhandled rejection.
 */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-soak-'));
  const proxy = await startFaultProxy(options.env.kubeConfig);
  const run = new Soak(options, proxy, folder);
  try {
    await run.begin();
    return await run.run();
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${await run.keepLogs()}`, { cause: error });
  } finally {
    await run.end();
    await proxy.stop();
    await rm(folder, { recursive: true });
  }
}

class Soak {
  readonly #options: SoakOptions;
  readonly #proxy: FaultProxy;
  readonly #folder: string;
  readonly #random: Random;
  readonly #world: SoakWorld;
  readonly #fleet = new SimulatedFleet();
  readonly #replicas: OperatorProcess[] = [];
  readonly #faults: Record<string, number> = {};
  readonly #residentMiB: number[] = [];
  #comparisons = 0;
  #isApiServerDown = false;

  constructor(options: SoakOptions, proxy: FaultProxy, folder: string) {
    this.#options = options;
    this.#proxy = proxy;
    this.#folder = folder;
    this.#random = new Random(options.seed);
    this.#world = new SoakWorld(options.env.rest, this.#random);
  }

  async begin(): Promise<void> {
    const { env, proxies } = this.#options;
    await writeFile(join(this.#folder, 'kubeconfig'), this.#proxy.kubeConfig.exportConfig());
    await writeFile(join(this.#folder, 'token'), 'soak');
    await writeFile(join(this.#folder, 'mesh.yaml'), JSON.stringify({ discoverySelectors: config.discoverySelectors }));
    for (const name of ['shop', 'client', 'istio-system', 'weft-system'])
      await applyObject(env.rest, { kind: namespaceKind, name, labels: mesh, body: {} });
    for (let step = 0; step < 60; step++) await this.#world.step();
    for (let replica = 0; replica < 2; replica++) this.#replicas.push(await this.#startReplica());
    const all = mixedProxies(proxies, ['shop', 'client', 'istio-system']);
    const half = Math.ceil(proxies / 2);
    this.#fleet.connect(this.#replicas[0]!.xds, all.slice(0, half));
    this.#fleet.connect(this.#replicas[1]!.xds, all.slice(half));
  }

  async run(): Promise<SoakReport> {
    const { durationMs, checkEveryMs, log } = this.#options;
    const startedMs = performance.now();
    const elapsedMs = () => performance.now() - startedMs;
    // On a busy machine one comparison may take the rest of the time: there are two all the same, the second with a history before it.
    while (elapsedMs() < durationMs || this.#comparisons < 2) {
      const untilMs = Math.min(
        Math.max(durationMs, elapsedMs() + checkEveryMs / 2),
        elapsedMs() + checkEveryMs * (0.5 + this.#random.below(100) / 100),
      );
      await this.#disturb(() => elapsedMs() < untilMs);
      await this.#compare();
      const { applied, deleted } = this.#world.counts;
      log(
        `${Math.round(elapsedMs() / 1000)} s: as from nothing; ${applied} applied, ${deleted} deleted, RSS ${this.#residentMiB.at(-1)} MiB`,
      );
    }
    return {
      changes: this.#world.counts,
      faults: this.#faults,
      comparisons: this.#comparisons,
      residentMiB: this.#residentMiB,
    };
  }

  /** Keeps what the replicas have said lately; answers where, and what was done to them. */
  async keepLogs(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'weft-soak-logs-'));
    for (const [index, { process }] of this.#replicas.entries()) await writeFile(join(folder, `replica-${index}`), process.log());
    await writeFile(join(folder, 'api-server'), this.#options.env.log());
    return `faults: ${JSON.stringify(this.#faults)}; logs: ${folder}`;
  }

  async end(): Promise<void> {
    this.#fleet.close();
    await Promise.all(this.#replicas.map(({ process }) => process.stop()));
  }

  #startReplica(): Promise<OperatorProcess> {
    const flags = ['--replica-token-file', join(this.#folder, 'token'), '--mesh-config', join(this.#folder, 'mesh.yaml')];
    return startOperatorProcess(join(this.#folder, 'kubeconfig'), flags);
  }

  /** Changes the world, breaks things and moves proxies about. */
  async #disturb(goesOn: () => boolean): Promise<void> {
    const breaking = this.#everyNowAndThen(goesOn, 2_000, () => this.#breakSomething());
    const moving = this.#everyNowAndThen(goesOn, 700, () => this.#moveProxies());
    const changing = this.#everyNowAndThen(goesOn, 40, () => this.#changeWorld());
    await Promise.all([breaking, moving, changing]);
  }

  async #everyNowAndThen(goesOn: () => boolean, meanMs: number, act: () => void | Promise<void>): Promise<void> {
    while (goesOn()) {
      await pause(this.#random.below(2 * meanMs));
      if (goesOn()) await act();
    }
  }

  async #changeWorld(): Promise<void> {
    try {
      await this.#world.step();
    } catch (error) {
      // An object that a controller's finalizer or another step has let go already; a restarting API server.
      if (!isNotFound(error) && !this.#isApiServerDown) throw error;
      await pause(200);
    }
  }

  async #breakSomething(): Promise<void> {
    const [name, act] = this.#random.pick(this.#breakages());
    this.#faults[name] = (this.#faults[name] ?? 0) + 1;
    await act();
  }

  #breakages(): [string, () => Promise<void>][] {
    const inject =
      (fault: Fault, cuts = false) =>
      async () => {
        const active = this.#proxy.inject(fault);
        if (cuts) this.#proxy.cutWatches();
        await pause(200 + this.#random.below(3_000));
        active.remove();
      };
    const isStatus = ({ resource }: { resource: string }) => resource.endsWith('/status');
    const { env, kills } = this.#options;
    const gentle: [string, () => Promise<void>][] = [
      ['hang', inject({ type: 'hang' })],
      ['stall', inject({ type: 'stall' })],
      ['cut', inject({ type: 'cut', times: 5 })],
      ['expire', inject({ type: 'expire', times: 5 })],
      ['410', inject({ type: 'status', status: 410, times: 10 }, true)],
      ['429', inject({ type: 'status', status: 429, retryAfterSeconds: 1 }, true)],
      ['500', inject({ type: 'status', status: 500 }, true)],
      ['403', inject({ type: 'status', status: 403 }, true)],
      ['conflicts', inject({ type: 'status', status: 409, times: 20, match: isStatus })],
      ['reset', inject({ type: 'reset' }, true)],
      ['latency', inject({ type: 'latency', delayMs: 500 })],
      ['watches cut', async () => this.#proxy.cutWatches()],
      ['all cut', async () => this.#proxy.cutAll()],
      ['API server stands still', () => this.#pauseApiServer()],
    ];
    if (!kills || !this.#random.chance(20)) return gentle;
    return [
      ['API server killed', () => this.#restartApiServer(() => env.killApiServer())],
      ['API server restarted', () => this.#restartApiServer(async () => {})],
      ['replica killed', () => this.#killReplica()],
    ];
  }

  async #pauseApiServer(): Promise<void> {
    const { env } = this.#options;
    env.pauseApiServer();
    await pause(500 + this.#random.below(2_000));
    env.resumeApiServer();
  }

  async #restartApiServer(end: () => Promise<void>): Promise<void> {
    this.#isApiServerDown = true;
    await end();
    await this.#options.env.restartApiServer();
    this.#isApiServerDown = false;
  }

  /** Ends a replica without a word; its proxies go on at the other, and some come to its successor. */
  async #killReplica(): Promise<void> {
    const [killed] = this.#replicas.splice(this.#random.below(2), 1) as [OperatorProcess];
    killed.process.signal('SIGKILL');
    await killed.process.ended;
    const [other] = this.#replicas as [OperatorProcess];
    this.#fleet.reconnect((_, address) => address === killed.xds, { address: other.xds });
    const successor = await this.#startReplica();
    this.#replicas.push(successor);
    this.#fleet.reconnect(() => this.#random.chance(50), { address: successor.xds });
  }

  /** Lets some proxies lose their stream, fall silent, or refuse endpoints, until they are moved again. */
  #moveProxies(): void {
    const judge = this.#random.pick<((response: ClientResponse) => Verdict) | undefined>([
      undefined,
      undefined,
      () => 'ack',
      () => (this.#random.chance(20) ? 'hold' : 'ack'),
      // What is refused of endpoints is a ServiceEntry's or a Service's doing: no EnvoyFilter goes into quarantine for it.
      ({ typeUrl }) => (typeUrl === typeUrls.endpoint && this.#random.chance(20) ? { nack: 'not today' } : 'ack'),
    ]);
    const { xds } = this.#random.pick(this.#replicas);
    this.#fleet.reconnect(() => this.#random.chance(8), { address: xds, ...(judge ? { judge } : {}) });
  }

  async #compare(): Promise<void> {
    const { env } = this.#options;
    this.#proxy.heal();
    this.#proxy.cutAll();
    // Those that held back or refused come anew with what they hold, and take everything.
    this.#fleet.reconnect(() => true, { judge: () => 'ack' });
    await expectAsFromNothing(env.kubeConfig, this.#fleet, settleMs, config);
    this.#comparisons++;
    const ended = await this.#fleet.ended();
    if (ended.length > 0) throw new Error(`streams have ended: ${ended.join(', ')}`);
    let residentBytes = 0;
    for (const { process, metrics } of this.#replicas) {
      if (process.end !== undefined) throw new Error(`a replica has ended with ${process.end}:\n${process.log()}`);
      if (/unhandled|uncaught/i.test(process.log())) throw new Error(`a replica is not well:\n${process.log()}`);
      const text = await (await fetch(`http://${metrics}/metrics`)).text();
      residentBytes += Number(/^process_resident_memory_bytes (\S+)/m.exec(text)?.[1]);
    }
    this.#residentMiB.push(Math.round(residentBytes / 2 ** 20));
  }
}
