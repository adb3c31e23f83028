import { Cache } from '../../runtime/cache/cache.ts';
import { Client } from '../../runtime/client/client.ts';
import { describeApi } from '../../runtime/testing/describe-api.ts';
import { namespaceKind, widgetCrd } from '../../runtime/testing/kubernetes-kinds.ts';
import { widgetKind } from '../../runtime/testing/objects.ts';
import { describeSourceContract } from '../../runtime/testing/source-contract.ts';
import { KubernetesCacheSource } from './kubernetes-cache-source.ts';

describeApi(
  'with an API server',
  (env) => {
    describeSourceContract('KubernetesCacheSource', async () => {
      const { rest } = env();
      const cache = new Cache();
      const client = new Client({ rest, cache, fieldManager: 'contract' });
      await client.apply(namespaceKind, { metadata: { name: 'contract' } });
      const stop = new AbortController();
      const written = new Map<string, { value: string; labels?: Record<string, string> }>();
      let running: Promise<void> | undefined;
      const put = async (name: string) => {
        const { value, labels } = written.get(name)!;
        await client.apply(widgetKind, { metadata: { name, namespace: 'contract', labels }, spec: { value } });
      };
      return {
        cache,
        kind: widgetKind,
        write(name, value, labels) {
          written.set(name, { value, labels });
          return put(name);
        },
        rewrite: put,
        remove: (name) => client.delete(widgetKind, `contract/${name}`),
        async start() {
          const source = new KubernetesCacheSource({ rest, cache, kinds: [{ kind: widgetKind }] });
          running = source.start(stop.signal);
          await source.waitForReady(stop.signal);
        },
        async stop() {
          stop.abort();
          await running;
        },
        async dispose() {
          await rest.request({ method: 'DELETE', path: '/apis/example.com/v1/namespaces/contract/widgets' });
        },
      };
    });
  },
  { crds: [widgetCrd] },
);
