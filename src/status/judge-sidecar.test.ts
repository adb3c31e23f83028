import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseObjects, proxyNode, startTestMesh, type TestMesh } from '../testing/load-mesh.ts';
import { judgeSidecar } from './judge-sidecar.ts';
import { SidecarWatch } from './sidecar-watch.ts';

let test: TestMesh;
beforeEach(async () => {
  test = await startTestMesh();
});
afterEach(() => test.stop());

const sidecar = (name: string, spec: string, namespace = 'shop', day = 1) => `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { namespace: ${namespace}, name: ${name}, creationTimestamp: "2025-01-0${day}T00:00:00Z" }
spec: { ${spec} }
---`;
const everything = 'egress: [{ hosts: ["*/*"] }]';
const selecting = (labels: string) => `workloadSelector: { labels: { ${labels} } }, ${everything}`;
const workload = (name: string, labels: string, namespace = 'shop', generation = 1) => `
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { namespace: ${namespace}, name: ${name}, generation: ${generation}, resourceVersion: "${generation}" }
spec: { address: 10.0.0.1, labels: { ${labels} } }
---`;
const service = (host: string, namespace: string, exportTo = '["*"]', port = 80) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { namespace: ${namespace}, name: ${host.split('.')[0]} }
spec: { hosts: [${host}], exportTo: ${exportTo}, ports: [{ number: ${port}, name: http, protocol: HTTP }], resolution: DNS }
---`;
const nothing: ReadonlyMap<string, ReadonlySet<string>> = new Map();
const judge = (name: string, namespace = 'shop', proxies: Parameters<typeof judgeSidecar>[2] = []) => {
  const fragment = test.mesh.get(`Sidecar/${namespace}/${name}`);
  return judgeSidecar((fragment as Extract<typeof fragment, { kind: 'sidecar' }>).sidecar, test.mesh, proxies);
};

describe('judgeSidecar', () => {
  it('tells that a selector selects nothing, until a workload or a proxy of its namespace bears the labels', async () => {
    await test.apply(
      ...parseObjects(sidecar('web', selecting('app: web')) + workload('other', 'app: db') + workload('far', 'app: web', 'far')),
    );
    expect(judge('web').selectsNothing).toBe(true);
    expect(judge('web', 'shop', [proxyNode({ namespace: 'far', labels: { app: 'web' } })]).selectsNothing).toBe(true);
    expect(judge('web', 'shop', [proxyNode({ namespace: 'shop', labels: { app: 'web' } })]).selectsNothing).toBe(false);
    await test.apply(...parseObjects(workload('one', 'app: web, tier: front')));
    expect(judge('web').selectsNothing).toBe(false);
  });

  it('never tells so of one without a selector', async () => {
    await test.apply(...parseObjects(sidecar('default', everything)));
    expect(judge('default').selectsNothing).toBe(false);
  });

  it('warns of workloads for which an older one is in force, naming it and the first of them', async () => {
    await test.apply(
      ...parseObjects(
        sidecar('front', selecting('tier: front'), 'shop', 1) +
          sidecar('web', selecting('app: web'), 'shop', 2) +
          workload('b', 'app: web, tier: front') +
          workload('a', 'app: web, tier: front') +
          workload('c', 'app: web'),
      ),
    );
    expect(judge('front').warnings).toEqual([]);
    expect(judge('web')).toMatchObject({
      rival: undefined,
      warnings: [
        {
          severity: 'warning',
          path: 'spec.workloadSelector',
          message: expect.stringContaining('Sidecar shop/front selects some of the same workloads, such as a;'),
        },
      ],
    });
  });

  it('names hosts that nothing bears, and an egress proxy that is not imported', async () => {
    await test.apply(
      ...parseObjects(
        service('seen.example.com', 'far') +
          service('hidden.example.com', 'far', '["."]') +
          service('gate.example.com', 'far', '["*"]', 3128) +
          sidecar(
            'default',
            `egress: [{ port: { number: 80, protocol: HTTP, name: http }, hosts: ["far/seen.example.com", "far/hidden.example.com", "./seen.example.com", "far/*.example.org"] }, { port: { number: 81, protocol: HTTP, name: other }, hosts: ["*/*"] }],
             outboundTrafficPolicy: { mode: ALLOW_ANY, egressProxy: { host: gate.example.com, port: { number: 3128 } } }`,
          ) +
          sidecar(
            'wide',
            `workloadSelector: { labels: { app: web } }, egress: [{ hosts: ["far/gate.example.com"] }],
             outboundTrafficPolicy: { mode: ALLOW_ANY, egressProxy: { host: gate.example.com, port: { number: 3128 } } }`,
          ),
      ),
    );
    expect(judge('default').missingHosts).toEqual([
      'far/hidden.example.com',
      'shop/seen.example.com',
      'far/*.example.org',
      'gate.example.com port 3128 (egressProxy, which has to be imported)',
    ]);
    expect(judge('wide').missingHosts).toEqual([]);
  });

  it("takes a host of the mesh's default as found where some namespace finds it", async () => {
    await test.apply(
      ...parseObjects(
        service('own.example.com', 'far', '["."]') +
          sidecar(
            'default',
            'egress: [{ hosts: ["./own.example.com", "far/own.example.com", "./none.example.com"] }]',
            'istio-system',
          ),
      ),
    );
    expect(judge('default', 'istio-system').missingHosts).toEqual(['./none.example.com']);
  });
});

describe('SidecarWatch', () => {
  it('notes Sidecars of a namespace whose workloads come, go or change their labels, and no others', async () => {
    await test.apply(...parseObjects(sidecar('web', selecting('app: web')) + sidecar('web', selecting('app: web'), 'far')));
    const watch = new SidecarWatch(test.mesh);
    const drained = () => [...watch.drain(nothing)];
    expect(drained()).toEqual([]);
    await test.apply(...parseObjects(workload('one', 'app: web')));
    expect(drained()).toEqual(['Sidecar/shop/web']);
    await test.apply(...parseObjects(workload('one', 'app: web', 'shop', 2)));
    expect(drained()).toEqual([]);
    await test.apply(...parseObjects(workload('one', 'app: db', 'shop', 3)));
    expect(drained()).toEqual(['Sidecar/shop/web']);
    await test.remove(...parseObjects(workload('one', 'app: db')));
    expect(drained()).toEqual(['Sidecar/shop/web']);
    watch.noteProxies('far');
    expect(drained()).toEqual(['Sidecar/far/web']);
    watch.close();
    await test.apply(...parseObjects(workload('two', 'app: db')));
    expect(drained()).toEqual([]);
  });

  it('notes Sidecars that name a host which is gone, and the siblings of one that changed', async () => {
    await test.apply(
      ...parseObjects(
        service('a.example.com', 'far') +
          service('b.example.com', 'far') +
          sidecar('names', 'egress: [{ hosts: ["far/a.example.com"] }]') +
          sidecar('suffix', 'workloadSelector: { labels: { app: web } }, egress: [{ hosts: ["*/*.example.com"] }]') +
          sidecar('all', everything, 'far'),
      ),
    );
    const watch = new SidecarWatch(test.mesh);
    await test.remove(...parseObjects(service('a.example.com', 'far')));
    expect([...watch.drain(nothing)].sort()).toEqual(['Sidecar/shop/names', 'Sidecar/shop/suffix']);
    await test.remove(...parseObjects(service('b.example.com', 'far')));
    expect([...watch.drain(nothing)]).toEqual(['Sidecar/shop/suffix']);
    await test.apply(...parseObjects(service('c.example.com', 'far')));
    expect([...watch.drain(nothing)]).toEqual([]);
    await test.apply(...parseObjects(sidecar('other', everything, 'far')));
    expect([...watch.drain(nothing)].sort()).toEqual(['Sidecar/far/all', 'Sidecar/far/other']);
    watch.close();
  });

  it('looks again at what misses something when that may have come, and not for any other change', async () => {
    await test.apply(
      ...parseObjects(
        sidecar('names', 'egress: [{ hosts: ["*/late.example.com", "*/*.late.org"] }]') +
          sidecar('idle', selecting('app: none')) +
          service('a.example.com', 'far'),
      ),
    );
    const watch = new SidecarWatch(test.mesh);
    const unresolved = new Map([
      ['HostNotFound', new Set(['Sidecar/shop/names'])],
      ['NoMatchingWorkloads', new Set(['ServiceEntry/shop/selecting', 'ServiceEntry/far/selecting'])],
      ['PatchTargetNotFound', new Set(['EnvoyFilter/shop/tune'])],
    ]);
    const all = [...unresolved.values().flatMap((keys) => [...keys])];
    const drained = () => [...watch.drain(unresolved)].filter((key) => all.includes(key));
    expect(drained()).toEqual([]);
    await test.apply(...parseObjects(service('b.example.com', 'far')));
    expect(drained()).toEqual(['EnvoyFilter/shop/tune']);
    for (const host of ['late.example.com', 'x.late.org']) {
      await test.apply(...parseObjects(service(host, 'far')));
      expect(drained()).toEqual(['Sidecar/shop/names', 'EnvoyFilter/shop/tune']);
    }
    await test.apply(...parseObjects(workload('one', 'app: db', 'far')));
    expect(drained()).toEqual(['ServiceEntry/far/selecting', 'EnvoyFilter/shop/tune']);
    test.mesh.setConfig({ ...test.mesh.config, rootNamespace: 'far' });
    expect(drained()).toEqual(['Sidecar/shop/names', 'EnvoyFilter/shop/tune']);
    watch.close();
  });
});
