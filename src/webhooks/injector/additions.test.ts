import { describe, expect, it } from 'vitest';
import { defaultMeshConfig } from '../../mesh/mesh-config.ts';
import { defaultInjectionConfig, type InjectionConfig } from './config/injection-config.ts';
import { injectPod } from './inject-pod.ts';
import type { Container, Pod } from './pod.ts';

const bare: Pod = { metadata: { name: 'web', labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image: 'web:1' }] } };

const inject = (pod: Pod, config: Partial<InjectionConfig> = {}): Pod => {
  const result = injectPod({
    pod,
    namespace: { name: 'shop', labels: { 'istio-injection': 'enabled' } },
    config: { ...defaultInjectionConfig, ...config },
    meshConfig: defaultMeshConfig,
  });
  if (result.outcome !== 'injected') throw new Error(JSON.stringify(result));
  return result.pod;
};
const containerOf = ({ spec }: Pod, name = 'istio-proxy'): Container =>
  [...spec.containers, ...spec.initContainers!].find((container) => container.name === name)!;

/** The pod as another webhook leaves it that changes one container, and adds a volume. */
const touch = (pod: Pod, change: (container: Container) => Container, name = 'istio-proxy'): Pod => {
  const visit = (container: Container): Container => (container.name === name ? change(container) : container);
  const { containers, initContainers = [], volumes = [] } = pod.spec;
  return {
    ...pod,
    spec: {
      ...pod.spec,
      containers: containers.map(visit),
      initContainers: initContainers.map(visit),
      volumes: [...volumes, { name: 'theirs', emptyDir: {} }],
    },
  };
};

describe('a pod that another webhook has changed since it was injected', () => {
  it.each(['true', 'false'])(
    'keeps environment, mounts, quantities and the image of the injected containers (native: %s)',
    (native) => {
      const pod = { ...bare, metadata: { ...bare.metadata, annotations: { 'sidecar.istio.io/nativeSidecar': native } } };
      for (const name of ['istio-proxy', 'istio-init']) {
        const add = (container: Container): Container => ({
          ...container,
          image: `mirror.example/${container.image}`,
          env: [...(container.env ?? []), { name: 'THEIRS', value: '1' }],
          volumeMounts: [...(container.volumeMounts ?? []), { name: 'theirs', mountPath: '/theirs' }],
          resources: { ...container.resources, limits: { ...container.resources!.limits, 'ephemeral-storage': '1Gi' } },
        });
        const touched = touch(inject(pod), add, name);
        const again = inject(touched);
        expect(containerOf(again, name)).toEqual(containerOf(touched, name));
        expect(again.metadata).toEqual(touched.metadata);
        expect(inject(again)).toEqual(again);
      }
    },
  );

  it('makes everything else of them anew', () => {
    const first = inject(bare);
    const touched = touch(first, (container) => ({
      ...container,
      args: ['--help'],
      securityContext: { privileged: true },
      env: container.env!.map((variable) => ({ name: variable.name, value: 'x' })),
      volumeMounts: [
        ...container.volumeMounts!,
        { name: 'gone', mountPath: '/gone' },
        { name: 'theirs', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' },
      ],
    }));
    expect(containerOf(inject(touched))).toEqual(containerOf(first));
  });

  it('takes away what only an earlier configuration has put in', () => {
    const earlier: Partial<InjectionConfig> = {
      proxy: {
        ...defaultInjectionConfig.proxy,
        image: 'envoy:old',
        resources: { limits: { cpu: '1', memory: '1Gi', 'ephemeral-storage': '1Gi' } },
      },
      xds: { ...defaultInjectionConfig.xds, tls: true },
    };
    const now: Partial<InjectionConfig> = { xds: { ...defaultInjectionConfig.xds, tls: false } };
    const mirrored = touch(inject(bare, earlier), (container) => ({ ...container, image: 'mirror.example/envoy:old' }));
    expect(containerOf(inject(mirrored, now))).toEqual(containerOf(inject(bare, now)));
  });

  it('leaves out a quantity that no longer fits', () => {
    const limited = (limits: Record<string, string>): Partial<InjectionConfig> => ({
      proxy: { ...defaultInjectionConfig.proxy, resources: { limits } },
    });
    // As the API server fills it in.
    const touched = touch(inject(bare, limited({ cpu: '2' })), (container) => ({
      ...container,
      resources: { ...container.resources, requests: { cpu: '2', memory: '64Mi' } },
    }));
    expect(containerOf(inject(touched, limited({ cpu: '2' }))).resources).toEqual({
      limits: { cpu: '2' },
      requests: { cpu: '2', memory: '64Mi' },
    });
    expect(containerOf(inject(touched, limited({ cpu: '1' }))).resources).toEqual({
      limits: { cpu: '1' },
      requests: { memory: '64Mi' },
    });
  });

  it('believes no record that an injector did not write', () => {
    const first = inject(bare);
    for (const injected of [
      null,
      'x',
      { 'istio-proxy': null },
      { 'istio-proxy': { env: 5, volumeMounts: {}, limits: 1, requests: 1 } },
    ]) {
      const record = { ...JSON.parse(first.metadata!.annotations!['injection.weft.dev/original']!), injected };
      const annotations = { ...first.metadata!.annotations, 'injection.weft.dev/original': JSON.stringify(record) };
      const forged = { ...first, metadata: { ...first.metadata, annotations } };
      expect(inject(forged)).toEqual(first);
    }
  });
});
