import { expect, it } from 'vitest';
import { describeApi } from '../../runtime/testing/describe-api.ts';
import { injectPod } from './inject-pod.ts';
import type { Pod } from './pod.ts';
import { caseNames, readCase } from './testing/golden-case.ts';

const injected = caseNames.flatMap((name) => {
  const { request } = readCase(name);
  const result = injectPod(request);
  return result.outcome === 'injected' ? [{ name, request, pod: result.pod }] : [];
});

describeApi('injected pods before an API server', (env) => {
  /** As the API server would store it: checked, and with its defaults. */
  const store = (pod: Pod): Promise<Pod> =>
    env().rest.request({
      method: 'POST',
      path: '/api/v1/namespaces/default/pods',
      query: { dryRun: 'All', fieldValidation: 'Strict' },
      body: {
        apiVersion: 'v1',
        kind: 'Pod',
        ...pod,
        metadata: { ...pod.metadata, namespace: 'default' },
        // Its admission plugin for service accounts, which fills this in, is off in a test environment.
        spec: {
          serviceAccountName: 'default',
          ...pod.spec,
          containers: pod.spec.containers.map((container) => ({ image: 'app:1', ...container })),
        },
      },
    });

  it.each(injected)('$name: is accepted, and injected again it is the same', async ({ request, pod }) => {
    const stored = await store(pod);
    const again = injectPod({ ...request, pod: stored });
    if (again.outcome !== 'injected') throw new Error(JSON.stringify(again));
    const { metadata, spec } = await store(again.pod);
    expect(spec).toEqual(stored.spec);
    expect([metadata?.labels, metadata?.annotations]).toEqual([stored.metadata?.labels, stored.metadata?.annotations]);
  });
});
