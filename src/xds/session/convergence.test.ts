import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pushOrder, type Resource, type TypeUrl, typeUrls } from '../../envoy/resource.ts';
import { type FakeEdit, fakeResource } from '../testing/fake-classes.ts';
import { type ModelClient, SessionHarness } from '../testing/session-harness.ts';

const names = ['a', 'b', 'c', 'd', 'e'];

/**
 * A resource as the translator would make it: clusters need the endpoints of their name, listeners the route of theirs and, as a patch
 * may have it, a filter.
 */
function made(typeUrl: TypeUrl, name: string, body: string): Resource {
  const ofListener = body === '2' ? [typeUrls.route, typeUrls.extensionConfig] : [typeUrls.route];
  const children = typeUrl === typeUrls.cluster ? [typeUrls.endpoint] : typeUrl === typeUrls.listener ? ofListener : [];
  return fakeResource(typeUrl, name, body, { requires: children.map((child) => ({ typeUrl: child, name })) });
}

const change = fc.record({
  typeUrl: fc.constantFrom(...pushOrder),
  name: fc.constantFrom(...names),
  body: fc.option(fc.constantFrom('1', '2', '3')),
});

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('edit' as const),
      key: fc.constantFrom('main', 'other'),
      changes: fc.array(change, { minLength: 1 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('answer' as const), who: fc.nat(2) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('turn' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 150, 1000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('move' as const), to: fc.constantFrom('main', 'other') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reconnect' as const), who: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('block' as const), who: fc.nat(2) }) },
);

function edits(changes: readonly { typeUrl: TypeUrl; name: string; body: string | null }[]): FakeEdit[] {
  return changes.map(({ typeUrl, name, body }) =>
    body === null ? { remove: { typeUrl, name } } : { put: made(typeUrl, name, body) },
  );
}

describe.each(['delta', 'sotw'] as const)('any history, %s', (variant) => {
  it('ends with each proxy holding what its class has', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const harness = new SessionHarness();
        const clients: ModelClient[] = ['p0', 'p1', 'p2'].map((name) => harness.connect(variant, name));
        for (const client of clients) client.start();
        for (const each of steps) {
          if (each.do === 'edit') harness.classes.edit(edits(each.changes), 'configuration', each.key);
          else if (each.do === 'answer') clients[each.who]!.answer();
          else if (each.do === 'turn') harness.oneTurn();
          else if (each.do === 'wait') harness.clock.advance(each.ms);
          else if (each.do === 'move') harness.classes.changeMembership(() => each.to);
          else if (each.do === 'block') clients[each.who]!.writable = false;
          else {
            harness.disconnect(clients[each.who]!);
            clients[each.who] = harness.connect(variant, `p${each.who}`, clients[each.who]!);
            clients[each.who]!.start();
          }
        }
        for (const client of clients) {
          client.writable = true;
          client.session.drained();
        }
        for (let round = 0; round < 20; round++) {
          harness.clock.advance(1000);
          harness.turn();
          for (const client of clients) client.answerAll();
        }

        expect(harness.failures).toEqual([]);
        expect(harness.queue.idle).toBe(true);
        for (const client of clients) {
          expect(client.session.settled).toBe(true);
          for (const typeUrl of pushOrder) {
            const { wildcard, names: wanted } = client.of(typeUrl);
            const table = client.session.proxyClass.table(typeUrl);
            const expected = [...table.values()].filter(({ name }) => wildcard || wanted.has(name));
            const held = client.of(typeUrl).resources;
            const gone = [...held.keys()].filter((name) => !table.get(name));
            // Over state of the world endpoints and routes are not taken away: nothing refers to them any more.
            if (variant === 'delta' || wildcard) expect(gone).toEqual([]);
            for (const { name, value } of expected) expect(Buffer.from(held.get(name)?.value ?? []).equals(value)).toBe(true);
          }
        }
        for (const client of clients) harness.disconnect(client);
        expect(harness.clock.pendingTimers).toBe(0);
        expect(harness.classes.classes.values().every(({ members }) => members === 0)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});
