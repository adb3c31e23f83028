import { describe, expect, it } from 'vitest';
import { typeUrls } from '../envoy/resource.ts';
import { fakeResource } from './testing/fake-classes.ts';
import { type ModelClient, SessionHarness } from './testing/session-harness.ts';

const cluster = (name: string, body = '') => ({ put: fakeResource(typeUrls.cluster, name, body) });

function watching(harness: SessionHarness, name = 'proxy'): ModelClient {
  const client = harness.connect('delta', name);
  client.subscribeAll(typeUrls.cluster);
  client.answerAll();
  client.read();
  return client;
}

describe('PushQueue', () => {
  it('merges what happens within a turn into one push', () => {
    const harness = new SessionHarness();
    const client = watching(harness);
    for (const name of ['a', 'b', 'c']) harness.classes.edit([cluster(name)]);
    expect(client.read()).toEqual([]);
    harness.turn();
    expect(client.read()).toEqual(['Cluster: a,b,c']);
    expect(harness.queue.idle).toBe(true);
  });

  it('batches configuration after a costly push, but never endpoints', () => {
    const harness = new SessionHarness();
    const client = watching(harness);
    const { refresh } = harness.classes;
    harness.classes.refresh = () => {
      harness.clock.advance(60);
      return refresh.call(harness.classes);
    };
    harness.classes.edit([cluster('a')]);
    harness.turn();
    client.answerAll();
    harness.classes.edit([cluster('b')]);
    harness.turn();
    harness.clock.advance(59);
    harness.turn();
    expect(client.read()).toEqual(['Cluster: a']);
    harness.clock.advance(1);
    harness.turn();
    expect(client.read()).toEqual(['Cluster: b']);
    client.answerAll();
    harness.classes.edit([cluster('c')]);
    harness.classes.edit([cluster('d')], 'endpoints');
    harness.turn();
    expect(client.read()).toEqual(['Cluster: c,d']);
  });

  it('writes to many proxies in slices, each of them once', () => {
    const harness = new SessionHarness({ sliceMs: 5 });
    const clients = Array.from({ length: 9 }, (_, index) => watching(harness, `p${index}`));
    for (const client of clients) {
      const { take } = client;
      client.take = (message) => {
        harness.clock.advance(2);
        return take.call(client, message);
      };
    }
    harness.classes.edit([cluster('a')]);
    const written = () => clients.filter(({ journal }) => journal.length > 0).length;
    harness.oneTurn();
    expect(written()).toBe(3);
    harness.oneTurn();
    expect(written()).toBe(6);
    harness.turn();
    expect(clients.map((client) => client.read())).toEqual(clients.map(() => ['Cluster: a']));
  });

  it('keeps serving when the configuration cannot be computed', () => {
    const harness = new SessionHarness();
    const client = watching(harness);
    const { refresh } = harness.classes;
    harness.classes.refresh = () => {
      throw new Error('defect');
    };
    harness.classes.edit([cluster('a')]);
    harness.turn();
    harness.classes.refresh = refresh;
    harness.classes.edit([cluster('b')], 'endpoints');
    harness.turn();
    expect(client.read()).toEqual(['Cluster: a,b']);
  });

  it('tells a session that cannot be stepped, and goes on with the others', () => {
    const harness = new SessionHarness();
    const [broken, fine] = [watching(harness, 'broken'), watching(harness, 'fine')];
    broken.take = () => {
      throw new Error('broken');
    };
    harness.classes.edit([cluster('a')]);
    harness.turn();
    expect(harness.failures).toEqual([new Error('broken')]);
    expect(fine.read()).toEqual(['Cluster: a']);
  });
});
