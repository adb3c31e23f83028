import { describe, expect, it } from 'vitest';
import { type TypeUrl, typeUrls } from '../envoy/resource.ts';
import type { DirtyObjects } from './ledger.ts';
import { fakeResource } from './testing/fake-classes.ts';
import { SessionHarness } from './testing/session-harness.ts';

const { cluster, endpoint, listener } = typeUrls;
const api = 'ServiceEntry/shop/api';
const filter = 'EnvoyFilter/shop/tune';

function put(typeUrl: TypeUrl, name: string, body: string, ...provenance: string[]) {
  const requires = typeUrl === cluster ? [{ typeUrl: endpoint, name }] : [];
  return { put: fakeResource(typeUrl, name, body, { requires, provenance }) };
}

function started(count: number) {
  const harness = new SessionHarness();
  harness.classes.edit([put(cluster, 'base', '', 'ServiceEntry/shop/base'), put(endpoint, 'base', '', 'ServiceEntry/shop/base')]);
  harness.turn();
  const clients = Array.from({ length: count }, (_, index) => harness.connect('delta', `p${index}`));
  for (const client of clients) {
    client.start();
    client.answerAll();
  }
  const push = (...edits: Parameters<SessionHarness['classes']['edit']>[0]) => {
    harness.classes.edit(edits, 'endpoints');
    harness.turn();
  };
  return { harness, clients, push };
}

const counts = (harness: SessionHarness, object = api) => {
  const { affected, acked, rejected, pending } = harness.ledger.propagation(object);
  return { affected, acked, rejected, pending };
};

describe('Ledger', () => {
  it('counts a proxy as pending until it has acknowledged every type, and the names in them', () => {
    const { harness, clients, push } = started(2);
    expect(counts(harness)).toEqual({ affected: 0, acked: 0, rejected: 0, pending: 0 });
    push(put(cluster, 'api', '1', api), put(endpoint, 'api', '1', api));
    expect(counts(harness)).toEqual({ affected: 2, acked: 0, rejected: 0, pending: 2 });
    const [first] = clients as [(typeof clients)[0]];
    first.answer();
    expect(counts(harness)).toMatchObject({ acked: 0, pending: 2 });
    first.answer();
    expect(counts(harness)).toEqual({ affected: 2, acked: 1, rejected: 0, pending: 1 });
    expect(harness.ledger.propagation(api).laggards).toEqual(['shop/p1']);
    for (const client of clients) client.answerAll();
    expect(counts(harness)).toEqual({ affected: 2, acked: 2, rejected: 0, pending: 0 });
  });

  it('counts every member of a class that waits for a version on trial as pending', () => {
    const { harness, clients, push } = started(2);
    push(put(listener, 'l', '1', filter));
    for (const client of clients) client.answerAll();
    expect(counts(harness, filter)).toMatchObject({ acked: 2, pending: 0 });
    harness.classes.at().awaiting.add(filter);
    expect(counts(harness, filter)).toEqual({ affected: 2, acked: 0, rejected: 0, pending: 2 });
    expect(harness.ledger.propagation(filter)).toMatchObject({ laggards: ['shop/p0', 'shop/p1'], pendingSince: undefined });
  });

  it('is not moved by what other objects do', () => {
    const { harness, clients, push } = started(1);
    push(put(cluster, 'api', '1', api), put(endpoint, 'api', '1', api));
    clients[0]!.answerAll();
    push(put(cluster, 'other', '1', 'ServiceEntry/shop/other'));
    expect(counts(harness)).toMatchObject({ acked: 1, pending: 0 });
    expect(counts(harness, 'ServiceEntry/shop/other')).toMatchObject({ acked: 0, pending: 1 });
  });

  it('tracks a withdrawal until the last proxy has dropped it', () => {
    const { harness, clients, push } = started(2);
    push(put(listener, 'l', '1', api));
    for (const client of clients) client.answerAll();
    push({ remove: { typeUrl: listener, name: 'l' } });
    expect(counts(harness)).toEqual({ affected: 2, acked: 0, rejected: 0, pending: 2 });
    clients[0]!.answerAll();
    expect(counts(harness)).toEqual({ affected: 1, acked: 0, rejected: 0, pending: 1 });
    clients[1]!.answerAll();
    expect(counts(harness)).toEqual({ affected: 0, acked: 0, rejected: 0, pending: 0 });
  });

  it('traces a refusal to the objects behind the resource, the newest change first', () => {
    const { harness, clients, push } = started(2);
    push(put(listener, 'l', '1', api));
    for (const client of clients) client.answerAll();
    harness.clock.advance(5000);
    push(put(listener, 'l', '2', api, filter));
    push(put(listener, 'm', '1', filter));
    for (const client of clients) client.answer('Error adding/updating listener(s) l: unknown field\n');
    for (const client of clients) client.answerAll();
    expect(counts(harness)).toEqual({ affected: 2, acked: 0, rejected: 2, pending: 0 });
    const { rejections } = harness.ledger.propagation(filter);
    expect(rejections).toEqual([
      {
        typeUrl: listener,
        resource: 'l',
        proxies: 2,
        exampleProxy: 'shop/p0',
        message: `unknown field (also shaped by ${api})`,
        lastSeen: harness.clock.now(),
        suspects: [filter, api],
      },
    ]);
    expect(harness.ledger.propagation(api).rejections[0]!.message).toBe(`unknown field (changed last by ${filter})`);
    push(put(listener, 'l', '3', api, filter));
    expect(counts(harness)).toEqual({ affected: 2, acked: 0, rejected: 0, pending: 2 });
    for (const client of clients) client.answerAll();
    expect(counts(harness)).toEqual({ affected: 2, acked: 2, rejected: 0, pending: 0 });
  });

  it('names the Sidecar that made the class among the objects behind a refused resource, where it is', () => {
    const { harness, clients, push } = started(1);
    const sidecar = 'Sidecar/shop/default';
    harness.classes.at().sidecarKey = sidecar;
    push(put(listener, 'l', '1', api), put(endpoint, 'base', '2', api));
    const [client] = clients;
    client!.answer('base: no such address');
    client!.answer('Error adding/updating listener(s) l: cannot bind\n');
    client!.answerAll();
    const messages = (object: string) => harness.ledger.propagation(object).rejections.map(({ message }) => message);
    expect(messages(sidecar)).toEqual([`cannot bind (also shaped by ${api})`]);
    expect(messages(api).sort()).toEqual(['base: no such address', `cannot bind (changed last by ${sidecar})`]);
  });

  it('does not blame the Sidecar for what another object made of a listener later', () => {
    const { harness, clients, push } = started(1);
    const sidecar = 'Sidecar/shop/default';
    harness.classes.at().sidecarKey = sidecar;
    push(put(listener, 'l', '1', api));
    clients[0]!.answerAll();
    push(put(listener, 'l', '2', api));
    clients[0]!.answer('Error adding/updating listener(s) l: cannot bind\n');
    expect(counts(harness, sidecar)).toEqual({ affected: 1, acked: 1, rejected: 0, pending: 0 });
    expect(counts(harness, api)).toMatchObject({ rejected: 1 });
    expect(harness.ledger.propagation(api).rejections[0]!.message).toBe(`cannot bind (also shaped by ${sidecar})`);
  });

  it('cuts long messages and lists five at most', () => {
    const { harness, clients, push } = started(1);
    const names = ['1', '2', '3', '4', '5', '6', '7'];
    push(
      ...names.map((name) =>
        put(cluster, name, '', api, ...Array.from({ length: 99 }, (_, index) => `EnvoyFilter/shop/filter-${index}`)),
      ),
    );
    clients[0]!.answer(`Error adding/updating cluster(s) ${names.map((name) => `${name}: ${'x'.repeat(1000)}`).join(', ')}`);
    const { rejections } = harness.ledger.propagation(api);
    expect(rejections).toHaveLength(5);
    for (const { message } of rejections) expect(message.length).toBeLessThanOrEqual(512);
    expect(rejections[0]!.message).toContain('shaped by');
  });

  it('says when the mesh has gone on and the classes have not', () => {
    const { harness } = started(1);
    harness.classes.edit([put(cluster, 'api', '1', api)]);
    expect(harness.ledger.propagation(api)).toMatchObject({ current: false, revision: 2 });
    harness.turn();
    expect(harness.ledger.propagation(api)).toMatchObject({ current: true, revision: 3, pending: 1 });
  });

  it('lets a proxy that leaves out of the count', () => {
    const { harness, clients, push } = started(2);
    push(put(cluster, 'api', '1', api));
    harness.disconnect(clients[1]!);
    clients[0]!.answerAll();
    expect(counts(harness)).toEqual({ affected: 1, acked: 1, rejected: 0, pending: 0 });
  });

  it('tells which objects may have moved, gathered over a turn', () => {
    const { harness, clients, push } = started(2);
    harness.clock.advance(1000);
    const told: DirtyObjects[] = [];
    harness.ledger.onDirty((objects) => told.push(objects));
    push(put(cluster, 'api', '1', api), put(endpoint, 'api', '1', api));
    for (const client of clients) client.answerAll();
    harness.clock.advance(0);
    expect(told).toEqual([new Set([api])]);
    push(put(cluster, 'other', '1', 'ServiceEntry/shop/other'));
    harness.clock.advance(0);
    for (const client of clients) client.answer('Error adding/updating cluster(s) other: no');
    harness.clock.advance(0);
    expect(told.slice(1)).toEqual([new Set(['ServiceEntry/shop/other']), new Set(['ServiceEntry/shop/other'])]);
    harness.disconnect(clients[0]!);
    harness.clock.advance(0);
    expect(told.at(-1)).toBe('all');
  });

  it('agrees with a count taken proxy by proxy, whatever the order of answers', () => {
    const { harness, clients, push } = started(3);
    push(put(cluster, 'a', '1', api), put(endpoint, 'a', '1', api), put(listener, 'l', '1', api));
    for (let round = 0; round < 12; round++) {
      clients[round % 3]!.answer();
      const settled = clients.filter(({ session }) => session.settled).length;
      expect(counts(harness).acked).toBe(settled);
      expect(counts(harness).affected).toBe(3);
    }
    expect(counts(harness).acked).toBe(3);
  });
});
