import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TypeUrl } from '../envoy/resource.ts';
import type { ProxyNode } from '../mesh/proxy.ts';
import { silentLogger } from '../runtime/logger.ts';
import { FakeClock } from '../runtime/testing/fake-clock.ts';
import { propertyRuns, RandomWorld, worldProxies, worldSteps } from '../testing/random-world.ts';
import { MeshClasses } from './mesh-classes.ts';
import { EnvoyFilterRollout } from './rollout/envoy-filter-rollout.ts';
import { defaultRolloutOptions } from './rollout/rollout-report.ts';
import { rememberingReader } from './testing/resource-reader.ts';
import { type ModelClient, SessionHarness } from './testing/session-harness.ts';
import type { Variant } from './wire/encode-response.ts';

const who = fc.nat(worldProxies.length - 1);

/** Besides what happens to objects: proxies come, go and lose their stream, read or do not, answer in time or late. */
const step = fc.oneof(
  ...worldSteps,
  { weight: 8, arbitrary: fc.record({ type: fc.constant('answer' as const), who }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('answerAll' as const), who }) },
  { weight: 6, arbitrary: fc.constant({ type: 'turn' as const }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.constantFrom(1, 50, 200, 1000, 6000) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('toggle' as const), who }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('reconnect' as const), who }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('block' as const), who }) },
);

const variants = fc.array(fc.constantFrom<Variant>('delta', 'delta', 'sotw'), {
  minLength: worldProxies.length,
  maxLength: worldProxies.length,
});

/** Rounds in which everyone answers everything; more than any trial, gate and debounce takes. */
const settlingRounds = 60;

describe('a control plane with a history', () => {
  it('has its proxies hold what one that was started from nothing would send them', () => {
    fc.assert(
      fc.property(fc.boolean(), variants, fc.array(step, { maxLength: 70, size: 'max' }), (isSettled, variantOf, history) => {
        const world = new RandomWorld(isSettled);
        const { mesh } = world.wired;
        const clock = new FakeClock();
        const rollout = new EnvoyFilterRollout({ mesh, clock, logger: silentLogger, options: defaultRolloutOptions });
        const classes = new MeshClasses(mesh, silentLogger, rollout);
        const harness = new SessionHarness({}, { classes, rollout, clock, reader });
        const clients = new Map<number, ModelClient>();
        const connect = (index: number, resume?: ModelClient) => {
          const client = harness.connect(variantOf[index]!, worldProxies[index], resume);
          clients.set(index, client);
          client.start();
        };
        const disconnect = (index: number, client: ModelClient) => {
          clients.delete(index);
          harness.disconnect(client);
        };
        for (const index of [0, 1, 2]) connect(index);
        for (const event of history) {
          const client = 'who' in event ? clients.get(event.who) : undefined;
          if (event.type === 'turn') harness.oneTurn();
          else if (event.type === 'wait') clock.advance(event.ms);
          else if (event.type === 'answer') client?.answer();
          else if (event.type === 'answerAll') client?.answerAll();
          else if (event.type === 'block') {
            if (client) client.writable = false;
          } else if (event.type === 'toggle' || event.type === 'reconnect') {
            if (client) disconnect(event.who, client);
            if (event.type === 'reconnect' ? client : !client) connect(event.who, client);
          } else world.take(event);
        }
        world.wired.work();
        settle(harness, [...clients.values()]);

        expect(harness.failures).toEqual([]);
        // Where proxies went again and again without a word, a filter was taken for what they crash of; none is on trial any more.
        const stages = [...mesh.envoyFilters.values()].map(({ key }) => rollout.report(key)?.stage);
        expect(stages.filter((stage) => stage !== undefined && stage !== 'quarantined')).toEqual([]);
        const expected = fromNothing(world, stages.every((stage) => stage === undefined) ? undefined : rollout);
        for (const [index, client] of clients) {
          expect(client.session.settled).toBe(true);
          expect(contents(client)).toEqual(expected(worldProxies[index]!, variantOf[index]!));
        }
        for (const object of world.present.keys()) expect(harness.ledger.propagation(object)).toMatchObject({ rejected: 0 });
        for (const [index, client] of clients) disconnect(index, client);
        expect(classes.size).toEqual({ bases: 0, classes: 0, members: 0 });
        rollout.close();
        harness.queue.close();
        harness.ledger.close();
        world.wired.close();
        expect(clock.pendingTimers).toBe(0);
      }),
      propertyRuns(150),
    );
  }, 3_600_000);
});

const reader = rememberingReader();

/** Lets everyone read and answer until nothing comes any more. */
function settle(harness: SettlingHarness, clients: readonly ModelClient[]): void {
  for (const client of clients) {
    client.writable = true;
    client.session.drained();
  }
  for (let round = 0; round < settlingRounds; round++) {
    harness.clock.advance(200);
    harness.turn();
    for (const client of clients) client.answerAll();
    if (harness.queue.idle && round > 40) return;
  }
}

type SettlingHarness = Pick<SessionHarness<MeshClasses>, 'clock' | 'turn' | 'queue'>;

/** What a control plane that never knew any other objects sends a new proxy. */
function fromNothing(world: RandomWorld, rollout: EnvoyFilterRollout | undefined) {
  const fresh = world.fromNothing();
  const classes = new MeshClasses(fresh.mesh, silentLogger, rollout);
  const harness = new SessionHarness({}, { classes, clock: new FakeClock(), reader });
  return (node: ProxyNode, variant: Variant) => {
    const client = harness.connect(variant, node);
    client.start();
    settle(harness, [client]);
    return contents(client);
  };
}

/** What a proxy holds, as text that tells what differs. */
function contents({ held }: ModelClient): Record<string, string> {
  const short = (typeUrl: TypeUrl | string) => typeUrl.slice(typeUrl.lastIndexOf('.') + 1);
  const entries = [...held.values()].flatMap(({ typeUrl, resources }) =>
    [...resources].map(([name, { value }]): [string, string] => [
      `${short(typeUrl)} ${name}`,
      Buffer.from(value).toString('base64'),
    ]),
  );
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
