import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultMeshConfig } from '../../mesh/mesh-config.ts';
import { defaultInjectionConfig, type InjectionConfig } from './config/injection-config.ts';
import { injectPod } from './inject-pod.ts';
import type { InjectionRequest } from './injection.ts';
import type { Container, Pod } from './pod.ts';
import { stripPod } from './strip-pod.ts';

/** Text that means something to Kubernetes, to JSON or to the injector. */
const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.constantFrom('$(POD_NAME)', '$$', '"\\', 'weft-POD_NAME;', ''),
);
const port = fc.constantFrom<(number | string)[]>(8080, 9090, 15021, 'http', 'nobody');
const handler = fc.oneof(
  fc.record({
    httpGet: fc.record(
      { port, path: text.map((path) => `/${path}`), scheme: fc.constantFrom('HTTP', 'HTTPS') },
      { requiredKeys: ['port'] },
    ),
  }),
  fc.record({ tcpSocket: fc.record({ port }) }),
  fc.record({ grpc: fc.record({ port: fc.constantFrom(9000, 8080), service: text }, { requiredKeys: ['port'] }) }),
  fc.record({ exec: fc.record({ command: fc.array(text, { maxLength: 2 }) }) }),
);
const probe = fc
  .tuple(
    handler,
    fc.record(
      { timeoutSeconds: fc.integer({ min: 1, max: 9 }), periodSeconds: fc.integer({ min: 1, max: 9 }) },
      { requiredKeys: [] },
    ),
  )
  .map(([what, often]) => ({ ...often, ...what }));
const containerNamed = (name: string) =>
  fc.record(
    {
      name: fc.constant(name),
      image: fc.constantFrom('app:1', 'auto'),
      ports: fc.constant([{ name: 'http', containerPort: 8080 }]),
      env: fc.uniqueArray(fc.record({ name: fc.constantFrom('A', 'POD_NAME', 'B'), value: text }), {
        selector: ({ name: key }) => key,
        maxLength: 2,
      }),
      securityContext: fc.record({ runAsUser: fc.constantFrom(1000, 1337, 2000) }),
      readinessProbe: probe,
      livenessProbe: probe,
      startupProbe: probe,
      lifecycle: fc.record({ preStop: handler, postStart: handler }, { requiredKeys: [] }),
      restartPolicy: fc.constant('Always'),
    },
    { requiredKeys: ['name', 'image'] },
  );
const containersOf = (...names: string[]) =>
  fc.shuffledSubarray(names).chain((some) => fc.tuple(...some.map(containerNamed)) as unknown as fc.Arbitrary<Container[]>);

const annotations = fc
  .record(
    {
      'sidecar.istio.io/nativeSidecar': fc.constantFrom('true', 'false'),
      'sidecar.istio.io/interceptionMode': fc.constantFrom('REDIRECT', 'TPROXY', 'NONE'),
      'sidecar.istio.io/rewriteAppHTTPProbers': fc.constantFrom('true', 'false'),
      'sidecar.istio.io/userVolume': fc.constant('{"user":{"emptyDir":{}}}'),
      'sidecar.istio.io/bootstrapOverride': fc.constant('boot'),
      'status.sidecar.istio.io/port': fc.constantFrom('15020', '15555', '0', '15021'),
      'traffic.sidecar.istio.io/excludeInboundPorts': fc.constantFrom('80', '', 'no'),
      'proxy.istio.io/config': fc.constantFrom(
        '{holdApplicationUntilProxyStarts: true}',
        '{proxyMetadata: {ISTIO_META_A: "$(B)"}}',
      ),
      'prometheus.io/port': fc.constantFrom('9090', '15020', 'x'),
      'prometheus.io/scrape': fc.constantFrom('true', 'false'),
      'prometheus.io.path': fc.constant('/m'),
      'kubectl.kubernetes.io/default-container': fc.constant('web'),
      'istio.io/rev': fc.constant('mine'),
      'example.com/note': text,
    },
    { requiredKeys: [] },
  )
  .filter((some) => Object.keys(some).length > 0);
const labels = fc.record(
  { app: text, 'example.com/team': text, 'service.istio.io/canonical-name': fc.constant('mine') },
  { requiredKeys: ['app'] },
);

const pods: fc.Arbitrary<Pod> = fc.record(
  {
    metadata: fc.record({ name: fc.constant('web'), labels, annotations }, { requiredKeys: ['name'] }),
    spec: fc.record(
      {
        containers: containersOf('web', 'second', 'istio-proxy').filter((list) => list.length > 0),
        initContainers: containersOf('setup', 'logger', 'istio-init').filter((list) => list.length > 0),
        volumes: fc.constant([{ name: 'data', emptyDir: {} }]),
        imagePullSecrets: fc.constant([{ name: 'pull' }]),
        terminationGracePeriodSeconds: fc.constant(30),
      },
      { requiredKeys: ['containers'] },
    ),
  },
  { requiredKeys: ['metadata', 'spec'] },
) as fc.Arbitrary<Pod>;

const configs: fc.Arbitrary<Partial<InjectionConfig>> = fc.record(
  {
    nativeSidecars: fc.boolean(),
    ipFamilies: fc.constantFrom('auto', 'ipv4', 'ipv6', 'dual'),
    imagePullSecrets: fc.constantFrom([], ['pull'], ['mesh']),
    xds: fc.constantFrom(defaultInjectionConfig.xds, { ...defaultInjectionConfig.xds, tls: false }),
  },
  { requiredKeys: [] },
);

const requestOf = (pod: Pod, config: Partial<InjectionConfig>): InjectionRequest => ({
  pod,
  namespace: { name: 'shop', labels: { 'istio-injection': 'enabled' } },
  config: { ...defaultInjectionConfig, ...config },
  meshConfig: defaultMeshConfig,
});

/** Kubernetes' expansion of arguments. */
const expand = (argument: string): string =>
  argument.replaceAll(/\$\$|\$\(([^)]*)\)/g, (_, name: string | undefined) => (name === undefined ? '$' : `<${name}>`));

const withoutHandlers = ({ readinessProbe, livenessProbe, startupProbe, lifecycle, ...rest }: Container) => rest;

describe('injection, of any pod', () => {
  it('is whole or not at all, changes nothing twice, and can be undone', () => {
    const outcomes = { injected: 0, refused: 0, skipped: 0 };
    fc.assert(
      fc.property(pods, configs, (pod, config) => {
        const before = structuredClone(pod);
        const request = requestOf(pod, config);
        const result = injectPod(request);
        expect(pod).toEqual(before);
        outcomes[result.outcome]++;
        if (result.outcome !== 'injected') {
          expect(result).not.toHaveProperty('pod');
          return;
        }
        const injected = result.pod;
        expect(JSON.parse(JSON.stringify(injected))).toEqual(injected);
        expect(injectPod({ ...request, pod: injected })).toEqual(result);
        expect(stripPod(injected)).toEqual(before);

        const all = [...injected.spec.containers, ...(injected.spec.initContainers ?? [])];
        const status = JSON.parse(injected.metadata!.annotations!['sidecar.istio.io/status']!);
        expect([...(status.containers ?? []), ...(status.initContainers ?? [])]).toContain('istio-proxy');
        const isCaptured = before.metadata?.annotations?.['sidecar.istio.io/interceptionMode'] !== 'NONE';
        if (isCaptured) expect(status.initContainers).toContain('istio-init');
        expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
        for (const container of [...before.spec.containers, ...(before.spec.initContainers ?? [])]) {
          const now = all.find(({ name }) => name === container.name)!;
          if (!container.name.startsWith('istio-')) expect(withoutHandlers(now)).toEqual(withoutHandlers(container));
        }

        const isNative = status.initContainers?.includes('istio-proxy') === true;
        expect(injected.spec.containers.length).toBeGreaterThan(0);
        expect(all.find(({ name }) => name === 'istio-proxy')!.restartPolicy).toBe(isNative ? 'Always' : undefined);
        // Whatever a classic sidecar waits for must not wait for the sidecar.
        for (const container of isNative ? [] : (before.spec.initContainers ?? [])) {
          if (container.name === 'istio-init') continue;
          const now = all.find(({ name }) => name === container.name)!;
          expect([now.startupProbe, now.livenessProbe, now.lifecycle?.postStart]).toEqual([
            container.startupProbe,
            container.livenessProbe,
            container.lifecycle?.postStart,
          ]);
        }

        const { args = [] } = all.find(({ name }) => name === 'istio-proxy')!;
        const bootstrap = JSON.parse(expand(args[args.indexOf('--config-yaml') + 1]!));
        expect(bootstrap.node.id).toBe('sidecar~<INSTANCE_IP>~<POD_NAME>.<POD_NAMESPACE>~<POD_NAMESPACE>.svc.cluster.local');
        expect(bootstrap.node.metadata.LABELS).toMatchObject(before.metadata?.labels ?? {});
        for (const container of all) {
          for (const field of ['readinessProbe', 'livenessProbe', 'startupProbe'] as const) {
            const path = container[field]?.httpGet?.path ?? '';
            if (path.startsWith('/app-health/')) expect(JSON.stringify(bootstrap)).toContain(JSON.stringify({ path }));
          }
        }
      }),
      { numRuns: 300 },
    );
    expect(outcomes.injected).toBeGreaterThan(50);
    expect(outcomes.refused).toBeGreaterThan(10);
  });

  it('survives what is no pod', () => {
    fc.assert(
      fc.property(
        fc.object({ key: fc.constantFrom('metadata', 'spec', 'containers', 'labels', 'annotations', 'name', 'a'), maxDepth: 4 }),
        (pod) => {
          expect(injectPod(requestOf(pod as unknown as Pod, {})).outcome).toBe('refused');
        },
      ),
    );
  });
});
