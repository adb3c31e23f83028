import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { namespaceKind } from '../../api/kubernetes/namespace.ts';
import { podKind } from '../../api/kubernetes/pod.ts';
import { workloadEntryKind } from '../../api/workload-entry/kind.ts';
import type { KubernetesObject } from '../../runtime/object.ts';
import type { AdmissionHandler, AdmissionRequest, AdmissionResponse } from '../../runtime/webhook/admission.ts';
import { parseObjects, startTestMesh, type TestMesh } from '../../testing/load-mesh.ts';
import { participation } from '../admission/participation.ts';
import { meshSurroundings } from './mesh-surroundings.ts';
import { createValidationHandler } from './validation-handler.ts';

let world: TestMesh;
let handle: AdmissionHandler;
let live: KubernetesObject | undefined;
let reads: string[];
beforeEach(async () => {
  world = await startTestMesh();
  [live, reads] = [undefined, []];
  const { mesh, cache } = world;
  const readNamespace = async (name: string) => {
    reads.push(name);
    return live;
  };
  handle = createValidationHandler(
    meshSurroundings({ mesh, pods: cache.store(podKind), workloadEntries: cache.store(workloadEntryKind) }),
    participation({ meshConfig: () => mesh.config, namespaces: cache.store(namespaceKind), readNamespace }),
  );
});
afterEach(() => world.stop());

const { signal } = new AbortController();

/** What is answered to the object as YAML, new or in place of another. */
const ask = async (yaml: string, fields: Partial<AdmissionRequest> = {}): Promise<AdmissionResponse> => {
  const object = parse(yaml) as { apiVersion: string; kind: string };
  const [group, version] = object.apiVersion.split('/') as [string, string];
  return handle(
    {
      uid: '1',
      kind: { group, version, kind: object.kind },
      resource: { group, version, resource: '' },
      ...{ operation: 'CREATE', namespace: 'shop', object, userInfo: {} },
      ...fields,
    },
    { signal },
  );
};

const entry = (spec: string, name = 'api', more = '') => `
apiVersion: networking.istio.io/v1beta1
kind: ServiceEntry
metadata: {name: ${name}, namespace: shop${more}}
spec: ${spec}
`;
const good = '{hosts: [api.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}';

describe('reviews of the mesh’s kinds', () => {
  it('let a sound object pass without a word', async () => {
    expect(await ask(entry(good))).toEqual({ type: 'allowed', warnings: [] });
  });

  it('refuse an object with all of its errors, each at its path', async () => {
    const answer = await ask(
      entry(
        '{hosts: ["*"], ports: [{number: 80, name: http, protocol: HTP}, {number: 80, name: b, protocol: TCP}], resolution: DNS}',
      ),
    );
    expect(answer).toMatchObject({ type: 'denied', message: expect.stringMatching(/^ServiceEntry shop\/api has 3 errors: /) });
    const { message } = answer as { message: string };
    for (const path of ['spec.hosts[0]: ', 'spec.ports[0].protocol: ', 'spec.ports[1].number: ']) expect(message).toContain(path);
  });

  it('refuse what is no object of the kind', async () => {
    expect(await ask(entry(good), { object: { spec: 1 } })).toMatchObject({ type: 'errored', code: 400 });
    expect(await ask(entry('7'))).toMatchObject({ type: 'denied' });
    expect(
      await ask(`
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: a, namespace: shop}
spec: {configPatches: [{applyTo: CLUSTER, patch: {operation: MERGE, value: {connect_timeout: nonsense}}}]}
`),
    ).toMatchObject({ type: 'denied', message: expect.stringContaining('spec.configPatches[0].patch.value') });
  });

  it('warn of a TCP service without an address, and of a host that is listed twice', async () => {
    const answer = await ask(entry('{hosts: [a.example.com, A.example.com], ports: [{number: 9000, name: tcp, protocol: TCP}]}'));
    expect(answer.type).toBe('allowed');
    expect(answer.warnings).toEqual([
      expect.stringMatching(/^spec\.hosts\[1\]: .*is listed twice/),
      expect.stringMatching(/^spec\.ports\[0\]\.protocol: .*captures traffic to every address/),
    ]);
  });

  it('warn of a host that another object claims, for those who see both', async () => {
    await world.apply(...parseObjects(entry(good, 'older').replace('namespace: shop', 'namespace: other')));
    expect((await ask(entry(good))).warnings).toEqual([
      'spec.hosts[0]: ServiceEntry other/older claims api.example.com too; of two objects, the older keeps a host',
    ]);
    expect((await ask(entry(good.replace('{hosts', '{exportTo: ["."], hosts')))).warnings).toEqual([]);
    await world.apply(...parseObjects(entry(good)));
    expect((await ask(entry(good), { operation: 'UPDATE' })).warnings).toHaveLength(1);
  });

  it('warn of a Sidecar that another one leaves no workload: what comes now is the youngest', async () => {
    const sidecar = (name: string, labels: string) => `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: ${name}, namespace: shop}
spec: {workloadSelector: {labels: ${labels}}, egress: [{hosts: ["./*"]}]}
`;
    await world.apply(
      ...parseObjects('{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: shop, labels: {app: web, tier: front}}}'),
      ...parseObjects(sidecar('z', '{app: web}')),
    );
    expect((await ask(sidecar('a', '{app: web, tier: front}'))).warnings).toEqual([
      'spec.workloadSelector: Sidecar shop/z is older and selects every workload that this one does; it is the one in force',
    ]);
    expect((await ask(sidecar('a', '{app: web}'))).warnings).toEqual([
      'spec.workloadSelector: Sidecar shop/z is older and claims the same; it is the one in force',
    ]);
    expect((await ask(sidecar('a', '{tier: front}'))).warnings).toEqual([]);
    expect((await ask(sidecar('z', '{app: web}'), { operation: 'UPDATE' })).warnings).toEqual([]);
  });

  it('say what is valid and will not be in force', async () => {
    const answer = await ask(
      entry('{hosts: ["*.example.com"], ports: [{number: 443, name: tls, protocol: TLS}], resolution: DYNAMIC_DNS}'),
    );
    expect(answer).toMatchObject({ type: 'allowed', warnings: [expect.stringContaining('the object will not be in force')] });
  });

  it.each([
    [
      'ServiceEntry',
      'hosts: [a.example.com], resolution: STATIC, location: MESH_INTERNAL, ports: [{number: 80, name: http, protocol: HTTP}],',
    ],
    ['Sidecar', 'egress: [{hosts: ["./*"]}],'],
    ['EnvoyFilter', 'configPatches: [{applyTo: CLUSTER, patch: {operation: MERGE, value: {connect_timeout: 3s}}}],'],
  ])('warn of a selector of a %s that no workload has the labels of', async (kind, rest) => {
    const yaml = `
apiVersion: networking.istio.io/v1alpha3
kind: ${kind}
metadata: {name: a, namespace: shop}
spec: {${rest} workloadSelector: {labels: {app: web, tier: front}}}
`;
    const idle = 'spec.workloadSelector: no workload of namespace shop has these labels now';
    expect((await ask(yaml)).warnings).toContain(idle);
    const pods = (namespace: string, labels: string) => `
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: ${namespace}, labels: ${labels}}
`;
    await world.apply(...parseObjects(pods('other', '{app: web, tier: front}')), ...parseObjects(pods('shop', '{app: web}')));
    expect((await ask(yaml)).warnings).toContain(idle);
    await world.apply(
      ...parseObjects(`
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: vm, namespace: shop, labels: {app: web}}
spec: {address: 192.0.2.1, labels: {tier: front}}
`),
    );
    expect((await ask(yaml)).warnings).not.toContain(idle);
  });

  it('let a filter of the root namespace select workloads of any', async () => {
    const yaml = `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: a, namespace: istio-system}
spec: {workloadSelector: {labels: {app: web}}, configPatches: [{applyTo: CLUSTER, patch: {operation: MERGE, value: {connect_timeout: 3s}}}]}
`;
    const namespace = 'istio-system';
    expect((await ask(yaml, { namespace })).warnings).toContain(
      'spec.workloadSelector: no workload of the mesh has these labels now',
    );
    await world.apply(...parseObjects('{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: shop, labels: {app: web}}}'));
    expect((await ask(yaml, { namespace })).warnings?.filter((text) => text.includes('no workload'))).toEqual([]);
  });

  it('never stand in the way of an update that leaves the spec as it was, of a deletion, or of other kinds', async () => {
    const bad = parse(entry('{hosts: []}'));
    expect(await ask(entry('{hosts: []}'), { operation: 'UPDATE', oldObject: bad })).toEqual({ type: 'allowed' });
    expect(await ask(entry('{hosts: []}'), { operation: 'UPDATE', oldObject: parse(entry(good)) })).toMatchObject({
      type: 'denied',
    });
    expect(await ask(entry('{hosts: []}', 'api', ', deletionTimestamp: "2026-01-01T00:00:00Z"'))).toEqual({ type: 'allowed' });
    expect(await ask(entry(good), { operation: 'DELETE', object: undefined })).toEqual({ type: 'allowed' });
    expect(await ask('{apiVersion: networking.istio.io/v1, kind: Gateway, spec: 1}')).toEqual({ type: 'allowed' });
  });

  it('bound what they say', async () => {
    const hosts = Array.from({ length: 60 }, (_, index) => `h${index}.example.com`);
    const twice = [...hosts, ...hosts].join(', ');
    const warned = await ask(entry(`{hosts: [${twice}], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}`));
    expect(warned.warnings).toHaveLength(11);
    expect(warned.warnings!.at(-1)).toBe('50 more warnings; weft analyze lists all');
    const refused = await ask(
      entry(`{hosts: [${hosts.map(() => '"-"').join(', ')}], ports: [{number: 80, name: http, protocol: HTTP}]}`),
    );
    expect(refused).toMatchObject({ type: 'denied', message: expect.stringMatching(/; and 40 more$/) });
  });
});

describe('of namespaces that discoverySelectors leave out', () => {
  const leftOut = {
    type: 'allowed',
    warnings: ["Weft does not read it: no entry of the mesh config's discoverySelectors matches the labels of namespace shop"],
  };
  const shop = (labels: Record<string, string>): KubernetesObject => ({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'shop', namespace: '', labels },
  });
  beforeEach(() => {
    world.mesh.setConfig({ ...world.mesh.config, discoverySelectors: [{ matchLabels: { mesh: 'weft' } }] });
  });

  it('objects pass with a word, whatever is in them', async () => {
    await world.apply(shop({ mesh: 'istio' }));
    expect(await ask(entry(good))).toEqual(leftOut);
    expect(await ask(entry('{hosts: []}'))).toEqual(leftOut);
    expect(await ask(entry('{hosts: []}'), { operation: 'UPDATE', oldObject: parse(entry(good)) })).toEqual(leftOut);
    expect(await ask(entry(good), { operation: 'UPDATE', oldObject: parse(entry(good)) })).toEqual({ type: 'allowed' });
    expect(reads).toEqual([]);
  });

  it('those of one that is taken in are reviewed, from the moment that its label or the selectors change', async () => {
    await world.apply(shop({ mesh: 'weft' }));
    expect(await ask(entry('{hosts: []}'))).toMatchObject({ type: 'denied' });
    await world.apply(shop({}));
    expect(await ask(entry('{hosts: []}'))).toEqual(leftOut);
    world.mesh.setConfig({ ...world.mesh.config, discoverySelectors: [] });
    expect(await ask(entry('{hosts: []}'))).toMatchObject({ type: 'denied' });
    expect(reads).toEqual([]);
  });

  it('the API server is asked about one that the watch has not brought yet', async () => {
    live = shop({ mesh: 'weft' });
    expect(await ask(entry('{hosts: []}'))).toMatchObject({ type: 'denied' });
    live = shop({});
    expect(await ask(entry('{hosts: []}'))).toEqual(leftOut);
    expect(reads).toEqual(['shop', 'shop']);
  });
});
