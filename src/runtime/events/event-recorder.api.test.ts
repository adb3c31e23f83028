import { expect, it } from 'vitest';
import { Cache } from '../cache/cache.ts';
import { Client } from '../client/client.ts';
import { describeApi } from '../testing/describe-api.ts';
import { eventually } from '../testing/eventually.ts';
import { configMapKind, namespaceKind } from '../testing/kubernetes-kinds.ts';
import { EventRecorder } from './event-recorder.ts';
import { eventKind } from './recorded-event.ts';

describeApi('event recorder on an API server', (env) => {
  const start = () => {
    const client = new Client({ rest: env().rest, cache: new Cache() });
    const logged: unknown[] = [];
    const log = (message: string, fields?: object) => void logged.push({ message, ...fields });
    const logger = { error: log, warn: log, info() {}, debug() {}, child: () => logger };
    const recorder = new EventRecorder({
      client,
      controller: 'example.com/operator',
      instance: 'pod-1',
      seriesIntervalMs: 100,
      logger,
    });
    const stop = new AbortController();
    const run = recorder.start(stop.signal);
    const end = async () => {
      stop.abort();
      await run;
    };
    const about = (name: string) =>
      client.listLive(eventKind).then((all) => all.filter(({ regarding }) => regarding.name === name));
    return { client, recorder, logged, end, about };
  };

  it('writes events and their series, about objects with and without a namespace', async () => {
    const { client, recorder, logged, end, about } = start();
    const object = await client.create(configMapKind, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'a', namespace: 'default' },
    });
    const namespace = (await client.getLive(namespaceKind, 'default'))!;
    recorder.record(object, { type: 'Warning', reason: 'Invalid', note: 'é'.repeat(2_000), related: namespace });
    recorder.record(
      { ...namespace, metadata: { ...namespace.metadata, namespace: '' } },
      { type: 'Normal', reason: 'Seen', note: 'once' },
    );
    await eventually(async () => expect(await about('a')).toHaveLength(1));
    for (let i = 0; i < 9; i++)
      recorder.record(object, { type: 'Warning', reason: 'Invalid', note: 'é'.repeat(2_000), related: namespace });
    await eventually(async () => expect((await about('a'))[0]!.series?.count).toBe(10));
    const [event] = await about('a');
    expect(event).toMatchObject({
      type: 'Warning',
      reason: 'Invalid',
      action: 'Invalid',
      reportingController: 'example.com/operator',
    });
    expect(event!.regarding.uid).toBe(object.metadata.uid);
    const [other] = await about('default');
    expect(other).toMatchObject({ metadata: { namespace: 'default' }, regarding: { kind: 'Namespace', name: 'default' } });
    // The API server has forgotten it: it is made anew, with its count.
    await client.delete(eventKind, `default/${event!.metadata.name}`);
    recorder.record(object, { type: 'Warning', reason: 'Invalid', note: 'é'.repeat(2_000), related: namespace });
    await eventually(async () => expect((await about('a'))[0]?.series?.count).toBe(11));
    await end();
    expect(logged).toEqual([]);
  });

  it('writes what happened while the API server was away', async () => {
    const { client, recorder, end, about } = start();
    const object = (await client.getLive(namespaceKind, 'kube-system'))!;
    await env().killApiServer();
    recorder.record(
      { ...object, metadata: { ...object.metadata, namespace: '' } },
      { type: 'Normal', reason: 'Away', note: 'x' },
    );
    await env().restartApiServer();
    await eventually(async () => expect(await about('kube-system')).toHaveLength(1));
    await end();
  });
});
