import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pushOrder, type Resource, type TypeUrl, typeUrls } from '../envoy/resource.ts';
import type { ObjectKey } from '../mesh/object-key.ts';
import { type FakeEdit, fakeResource } from './testing/fake-classes.ts';
import { type ModelClient, SessionHarness } from './testing/session-harness.ts';

const names = ['a', 'b', 'c', 'd'];
const sidecar = 'Sidecar/shop/default';
const objectOf = (name: string): ObjectKey => `ServiceEntry/shop/${name}`;
const objects = [...names.map(objectOf), sidecar];

function made(typeUrl: TypeUrl, name: string, body: string): Resource {
  const children = typeUrl === typeUrls.cluster ? [typeUrls.endpoint] : typeUrl === typeUrls.listener ? [typeUrls.route] : [];
  const requires = children.map((child) => ({ typeUrl: child, name }));
  return fakeResource(typeUrl, name, body, { requires, provenance: [objectOf(name)] });
}

const change = fc.record({
  typeUrl: fc.constantFrom(typeUrls.cluster, typeUrls.endpoint, typeUrls.listener, typeUrls.route),
  name: fc.constantFrom(...names),
  body: fc.option(fc.constantFrom('1', '2', '3'), { freq: 4 }),
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
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('answer' as const), who: fc.nat(2), isRefusal: fc.constantFrom(false, false, true) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('turn' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 150, 1000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('move' as const), to: fc.constantFrom('main', 'other') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reconnect' as const), who: fc.nat(2) }) },
);

function edits(changes: readonly { typeUrl: TypeUrl; name: string; body: string | null }[]): FakeEdit[] {
  return changes.map(({ typeUrl, name, body }) =>
    body === null ? { remove: { typeUrl, name } } : { put: made(typeUrl, name, body) },
  );
}

describe.each(['delta', 'sotw'] as const)('any history, %s', (variant) => {
  it('is known to whoever asks only for the objects that are said to have moved', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const harness = new SessionHarness();
        for (const key of ['main', 'other']) harness.classes.at(key).sidecarKey = sidecar;
        const counts = (object: ObjectKey) => {
          const { affected, acked, rejected, pending } = harness.ledger.propagation(object);
          return { affected, acked, rejected, pending };
        };
        const known = new Map(objects.map((object) => [object, counts(object)]));
        harness.ledger.onDirty((dirty) => {
          for (const object of dirty === 'all' ? objects : dirty) known.set(object, counts(object));
        });
        const clients: ModelClient[] = ['p0', 'p1', 'p2'].map((name) => harness.connect(variant, name));
        for (const client of clients) client.start();
        for (const each of steps) {
          if (each.do === 'edit') harness.classes.edit(edits(each.changes), 'configuration', each.key);
          else if (each.do === 'answer') clients[each.who]!.answer(each.isRefusal ? 'not today' : undefined);
          else if (each.do === 'turn') harness.oneTurn();
          else if (each.do === 'wait') harness.clock.advance(each.ms);
          else if (each.do === 'move') harness.classes.changeMembership(() => each.to);
          else {
            harness.disconnect(clients[each.who]!);
            clients[each.who] = harness.connect(variant, `p${each.who}`, clients[each.who]!);
            clients[each.who]!.start();
          }
        }
        // One answer at a time, so that what is said of each is heard before the next.
        for (let round = 0; round < 60; round++) {
          harness.clock.advance(300);
          harness.turn();
          for (const client of clients) client.answer();
        }
        harness.clock.advance(1000);
        expect(harness.failures).toEqual([]);
        expect(Object.fromEntries(known)).toEqual(Object.fromEntries(objects.map((object) => [object, counts(object)])));
        for (const client of clients) harness.disconnect(client);
        harness.ledger.close();
        for (const typeUrl of pushOrder) expect(harness.classes.at().table(typeUrl).size).toBeLessThanOrEqual(names.length);
      }),
      { numRuns: Number(process.env.WEFT_PROPERTY_RUNS ?? 300) },
    );
  });
});
