import type { KubeConfig } from '@kubernetes/client-node';
import { expect } from 'vitest';
import { Cache } from '../cache/cache.ts';
import type { ObjectStore } from '../cache/object-store.ts';
import { Reflector } from '../cache/reflector.ts';
import type { ReflectorOptions } from '../cache/reflector-options.ts';
import { Client } from '../client/client.ts';
import { RestClient } from '../client/rest-client.ts';
import type { LogFields, Logger } from '../logger.ts';
import type { DeepReadonly, KubernetesObject } from '../object.ts';
import { objectName } from '../object.ts';
import { startFaultProxy } from '../testenv/fault-proxy.ts';
import type { TestEnv } from '../testenv/test-env.ts';
import { eventually } from './eventually.ts';
import { namespaceKind } from './kubernetes-kinds.ts';
import { type Widget, widgetKind } from './objects.ts';

/** Waits short enough for a test. */
const quick = { backoffBaseMs: 10, backoffMaxMs: 100, missingMaxMs: 50, listTimeoutMs: 1_000, random: () => 0 };

export type ReflectorWorld = Awaited<ReturnType<typeof createReflectorWorld>>;

/** A reflector of widgets behind a fault proxy, and a client that changes the world past it; its widgets lie in `namespace`. */
export async function createReflectorWorld(
  env: TestEnv,
  namespace: string,
  options: Partial<ReflectorOptions<Widget>> & { readonly user?: KubeConfig } = {},
) {
  const { user = env.kubeConfig, ...reflectorOptions } = options;
  const proxy = await startFaultProxy(user);
  const rest = new RestClient({ kubeConfig: proxy.kubeConfig, timeoutMs: 500 });
  const cache = new Cache();
  const store: ObjectStore<Widget> = cache.store(widgetKind);
  const log = new LogRecorder();
  const reflector = new Reflector<Widget>({
    rest,
    store,
    kind: widgetKind,
    namespace,
    logger: log,
    ...quick,
    ...reflectorOptions,
  });
  const client = new Client({ rest: env.rest, cache, fieldManager: 'world' });
  const events: string[] = [];
  store.subscribe((event) => {
    const { metadata } = event.type === 'update' ? event.objectNew : event.object;
    events.push(`${event.type} ${metadata.name}${event.type === 'delete' && event.deleteStateUnknown ? ' unknown' : ''}`);
  });
  await client.apply(namespaceKind, { metadata: { name: namespace } });
  const stopped = new AbortController();
  let running: Promise<void> | undefined;
  return {
    proxy,
    store,
    reflector,
    client,
    log,
    /** What the store told: `create a`, `update a`, `delete a`, `delete a unknown`. */
    events,
    /** Starts the reflector and, unless told otherwise, waits until it watches. */
    async start({ synced = true } = {}): Promise<void> {
      running = reflector.run(stopped.signal);
      if (synced) await eventually(() => expect(reflector.status().phase).toBe('watching'));
    },
    write: (name: string, value: string, labels?: Record<string, string>): Promise<Widget> =>
      client.apply(widgetKind, { metadata: { name, namespace, labels }, spec: { value } }),
    remove: (name: string): Promise<void> => client.delete(widgetKind, `${namespace}/${name}`),
    /** Waits until the store holds what a list from nothing would. */
    async settle(): Promise<void> {
      await eventually(async () => {
        const fresh = await client.listLive(widgetKind, { namespace });
        expect(versionsOf(store.list())).toEqual(versionsOf(fresh));
      });
    },
    async stop(): Promise<void> {
      stopped.abort();
      await running;
      rest.close();
      await proxy.stop();
      await env.rest.request({ method: 'DELETE', path: `/apis/example.com/v1/namespaces/${namespace}/widgets` }).catch(() => {});
    },
  };
}

/** Name, version and content of each object, in order. */
export function versionsOf(objects: readonly DeepReadonly<KubernetesObject>[]): string[] {
  return objects
    .map((object) => `${objectName(object)}@${object.metadata.resourceVersion} ${JSON.stringify((object as Widget).spec)}`)
    .sort();
}

/** Keeps the lines that a test asks for. */
class LogRecorder implements Logger {
  readonly lines: string[] = [];

  error = (message: string, fields?: LogFields): void => this.#note('error', message, fields);
  warn = (message: string, fields?: LogFields): void => this.#note('warn', message, fields);
  info = (message: string, fields?: LogFields): void => this.#note('info', message, fields);
  debug = (): void => {};
  child = (): Logger => this;

  #note(level: string, message: string, fields?: LogFields): void {
    this.lines.push(`${level} ${message} ${fields?.problem ?? fields?.error ?? ''}`);
  }
}
