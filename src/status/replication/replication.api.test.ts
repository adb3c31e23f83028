import { afterEach, beforeEach, expect, it } from 'vitest';
import { meshKinds, serviceEntryKind } from '../../api/index.ts';
import { systemClock } from '../../runtime/clock.ts';
import { describeApi } from '../../runtime/testing/describe-api.ts';
import { eventually } from '../../runtime/testing/eventually.ts';
import { namespaceKind } from '../../runtime/testing/kubernetes-kinds.ts';
import { type HttpServer, startHttpServer } from '../http-server.ts';
import { StatusTracker } from '../status-tracker.ts';
import { StatusWriter } from '../status-writer.ts';
import { applyYaml, Replica, serviceEntryYaml } from '../testing/replica.ts';
import { Follower } from './follower.ts';
import { MergedPropagation } from './merged-propagation.ts';
import { sharedToken } from './replica-credential.ts';
import { ReplicaHub } from './replica-hub.ts';
import { replicaIdentity } from './replica-identity.ts';

const token = 'shared';

/** A replica with what it takes to lead or to follow; who leads is up to the test. */
class Peer {
  readonly replica: Replica;
  readonly merged: MergedPropagation;
  readonly tracker: StatusTracker;
  readonly #name: string;
  readonly #leader: () => string | undefined;
  #http: HttpServer | undefined;
  #hub: ReplicaHub;
  #standDown: (() => Promise<void>)[] = [];
  identity = '';

  constructor(name: string, replica: Replica, leader: () => string | undefined) {
    this.#name = name;
    this.#leader = leader;
    this.replica = replica;
    const { mesh, xds, logger } = replica;
    this.merged = new MergedPropagation({ local: xds.ledger, mesh, clock: systemClock });
    this.tracker = new StatusTracker({ mesh, ledger: this.merged, clock: systemClock, logger });
    this.#hub = new ReplicaHub({ merged: this.merged, credential: sharedToken(token) });
  }

  async start(followerToken = token): Promise<void> {
    await this.replica.start();
    this.#http = await startHttpServer('127.0.0.1', 0, '--http-bind', new Map(), { upgrade: this.#hub.accept });
    this.identity = replicaIdentity(this.#name, this.#http.address);
    const { mesh, xds, logger } = this.replica;
    const options = {
      mesh,
      ledger: xds.ledger,
      identity: this.identity,
      leader: this.#leader,
      credential: sharedToken(followerToken),
      logger,
    };
    this.replica.run(new Follower({ ...options, pollMs: 20 }));
  }

  lead(): void {
    const { cache, client } = this.replica;
    const { tracker, merged } = this;
    const writer = new StatusWriter({
      tracker,
      propagation: merged,
      cache,
      client,
      kinds: meshKinds,
      objectIntervalMs: 200,
    });
    this.#standDown = [this.replica.run(this.#hub), this.replica.run(writer)];
  }

  async stop(): Promise<void> {
    for (const end of this.#standDown) await end();
    await this.#http?.close();
    await this.replica.stop();
    this.tracker.close();
    this.merged.close();
  }
}

describeApi(
  'two replicas on an API server',
  (env) => {
    let leader: string | undefined;
    let first: Peer;
    let second: Peer;
    let name: string;
    let count = 0;

    beforeEach(async () => {
      name = `api-${++count}`;
      leader = undefined;
      first = new Peer('first', new Replica(env().kubeConfig), () => leader);
      second = new Peer('second', new Replica(env().kubeConfig), () => leader);
      await first.replica.client.apply(namespaceKind, { metadata: { name: 'shop' } });
      await first.start();
    });

    afterEach(async () => {
      await first.stop();
      await second.stop();
    });

    const read = async () => second.replica.client.getLive(serviceEntryKind, `shop/${name}`);
    const apply = (address: string) => applyYaml(second.replica.client, serviceEntryYaml(name, { address }));
    const untilSummary = (summary: string, generation: number) =>
      eventually(async () => expect((await read())?.status?.propagation).toMatchObject({ summary, generation }));
    const leadFirst = () => {
      leader = first.identity;
      first.lead();
    };

    it('show one true total, and the one that takes over shows it again', async () => {
      await second.start();
      leadFirst();
      await eventually(() => expect(first.merged.replicas).toBe(1));
      let isHolding = false;
      for (const proxy of ['a', 'b', 'c']) first.replica.connect(proxy);
      for (const proxy of ['d', 'e']) second.replica.connect(proxy);
      const slow = second.replica.connect('f', { judge: () => (isHolding ? 'hold' : 'ack') });
      await apply('10.0.0.1');
      await untilSummary('6/6 acked', 1);

      isHolding = true;
      await apply('10.0.0.2');
      await untilSummary('5/6 acked', 2);
      expect((await read())?.status?.propagation).toMatchObject({ pending: 1, laggards: ['shop/f'] });
      expect((await read())?.status?.conditions).toContainEqual(
        expect.objectContaining({ type: 'Ready', status: 'False', reason: 'Propagating' }),
      );
      isHolding = false;
      slow.answer(slow.responses.at(-1)!, 'ack');
      await untilSummary('6/6 acked', 2);
      const { startedAt } = (await read())!.status!.propagation!;

      await first.stop();
      leader = second.identity;
      second.lead();
      await untilSummary('3/3 acked', 2);
      expect((await read())!.status!.propagation!.startedAt).toBe(startedAt);
      const third = new Peer('third', new Replica(env().kubeConfig), () => leader);
      await third.start();
      for (const proxy of ['a', 'b', 'c']) third.replica.connect(proxy);
      await untilSummary('6/6 acked', 2);
      await apply('10.0.0.3');
      await untilSummary('6/6 acked', 3);
      await third.stop();
      await untilSummary('3/3 acked', 3);
    });

    it('count as pending what a replica has not taken in yet', async () => {
      await second.start();
      leadFirst();
      await eventually(() => expect(first.merged.replicas).toBe(1));
      first.replica.connect('a');
      second.replica.connect('b');
      await apply('10.0.0.1');
      await untilSummary('2/2 acked', 1);
      const key = `ServiceEntry/shop/${name}`;
      const verdict = first.replica.mesh.verdicts.get(key)!;
      first.replica.mesh.verdicts.set(key, { ...verdict, generation: 2, generationInForce: 2 });
      expect(first.merged.propagation(key)).toMatchObject({ affected: 2, acked: 1, pending: 1, lagging: true });
    });

    it('turn a replica away that does not know the token', async () => {
      const warned: unknown[] = [];
      second.replica.logger.warn = (_message, fields) => void warned.push(fields);
      await second.start('another');
      leadFirst();
      await eventually(() => expect(warned).toEqual([{ problem: expect.stringContaining('401') }]));
      expect(first.merged.replicas).toBe(0);
    });
  },
  { crdPaths: ['crds'] },
);
