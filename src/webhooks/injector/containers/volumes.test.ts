import { expect, it } from 'vitest';
import { defaultMeshConfig } from '../../../mesh/mesh-config.ts';
import { defaultInjectionConfig } from '../config/injection-config.ts';
import { injectPod } from '../inject-pod.ts';

// No golden pair: the API server takes such a pod only when another webhook has brought the volume.
it('warns of a mount whose volume is not there yet, and mounts it', () => {
  const annotations = { 'sidecar.istio.io/userVolumeMount': '{"certs":{"mountPath":"/certs"},"data":{"mountPath":"/data"}}' };
  const result = injectPod({
    pod: {
      metadata: { name: 'web', annotations },
      spec: { containers: [{ name: 'web' }], volumes: [{ name: 'data', emptyDir: {} }] },
    },
    namespace: { name: 'shop', labels: { 'istio-injection': 'enabled' } },
    config: defaultInjectionConfig,
    meshConfig: defaultMeshConfig,
  });
  if (result.outcome !== 'injected') throw new Error(JSON.stringify(result));
  expect(result.warnings).toEqual([
    'annotation sidecar.istio.io/userVolumeMount: there is no volume certs yet, neither in the pod nor in sidecar.istio.io/userVolume',
  ]);
  const proxy = result.pod.spec.initContainers!.find(({ name }) => name === 'istio-proxy');
  expect(proxy!.volumeMounts).toContainEqual({ name: 'certs', mountPath: '/certs' });
});
