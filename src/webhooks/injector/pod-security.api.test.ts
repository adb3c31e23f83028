import { beforeAll, expect, it } from 'vitest';
import { defaultMeshConfig } from '../../mesh/mesh-config.ts';
import { describeApi } from '../../runtime/testing/describe-api.ts';
import { defaultInjectionConfig } from './config/injection-config.ts';
import { injectPod } from './inject-pod.ts';
import type { Pod } from './pod.ts';

/** What the guide's section on pod security says, by Kubernetes' own judgement. */
describeApi('injected pods under the pod security standard restricted', (env) => {
  const namespace = 'restricted';
  beforeAll(async () => {
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    await env().rest.request({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: namespace, labels } } });
  });

  const create = (interceptionMode: string) => {
    const securityContext = {
      ...{ allowPrivilegeEscalation: false, runAsNonRoot: true, runAsUser: 1000 },
      ...{ capabilities: { drop: ['ALL'] }, seccompProfile: { type: 'RuntimeDefault' } },
    };
    const pod = {
      metadata: { name: 'web', namespace, annotations: { 'sidecar.istio.io/interceptionMode': interceptionMode } },
      spec: { serviceAccountName: 'default', containers: [{ name: 'app', image: 'app:1', securityContext }] },
    } as unknown as Pod;
    const labels = { 'istio-injection': 'enabled' };
    const result = injectPod({
      ...{ pod, namespace: { name: namespace, labels } },
      ...{ config: defaultInjectionConfig, meshConfig: defaultMeshConfig },
    });
    if (result.outcome !== 'injected') throw new Error(JSON.stringify(result));
    return env().rest.request<Pod>({
      method: 'POST',
      path: `/api/v1/namespaces/${namespace}/pods`,
      query: { dryRun: 'All' },
      body: { apiVersion: 'v1', kind: 'Pod', ...result.pod },
    });
  };

  it.each(['REDIRECT', 'TPROXY'])('%s is refused, for istio-init', async (mode) => {
    await expect(create(mode)).rejects.toThrow(/violates PodSecurity "restricted.*istio-init/);
  });

  it('NONE is taken', async () => {
    const { spec } = await create('NONE');
    expect(spec.initContainers?.map(({ name }) => name)).toEqual(['istio-proxy']);
  });
});
