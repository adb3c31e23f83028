import { describe, expect, it } from 'vitest';
import { type KubernetesService, serviceKind } from '../../../api/kubernetes/service.ts';
import { isVisibleTo } from '../../../mesh/visibility.ts';
import { compileService } from './compile.ts';

const compile = (spec: Partial<KubernetesService['spec']>, exportTo?: string) =>
  compileService(
    serviceKind.slim({
      metadata: {
        name: 'reviews',
        namespace: 'shop',
        creationTimestamp: '2026-01-01T00:00:00Z',
        ...(exportTo === undefined ? {} : { annotations: { 'networking.istio.io/exportTo': exportTo } }),
      },
      spec,
    }),
    { slices: [], clusterDomain: 'mesh.example', locate: () => undefined },
  )?.spec;

describe('a Service', () => {
  it('is named in the domain of the cluster, and found at its cluster IPs', () => {
    expect(compile({ clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1', 'FD00::0:1'], selector: { app: 'r' } })).toMatchObject({
      hostname: 'reviews.shop.svc.mesh.example',
      owner: 'Service/shop/reviews',
      registry: 'Kubernetes',
      createdAtMs: Date.parse('2026-01-01T00:00:00Z'),
      resolution: 'STATIC',
      isExternal: false,
      addresses: ['10.96.0.1', 'fd00::1'],
      workloadSelector: { app: 'r' },
      wantsAddresses: false,
    });
    expect(compile({ clusterIP: '10.96.0.1' })?.addresses).toEqual(['10.96.0.1']);
    expect(compile({})?.addresses).toEqual([]);
  });

  it('without a cluster IP is headless, and picks nothing besides what its slices list', () => {
    const spec = compile({ clusterIP: 'None', clusterIPs: ['None'], selector: { app: 'r' } });
    expect(spec).toMatchObject({ resolution: 'NONE', isHeadless: true, addresses: [] });
    expect(spec).not.toHaveProperty('workloadSelector');
  });

  it('of type ExternalName is another name, spelled as host names are', () => {
    expect(compile({ type: 'ExternalName', externalName: 'API.Example.com.', ports: [{ port: 80 }] })).toMatchObject({
      aliasOf: 'api.example.com',
      ports: [],
      isExternal: true,
    });
    expect(compile({ type: 'ExternalName' })).toBeUndefined();
  });

  it('has TCP ports only, with numbers and names of target ports apart', () => {
    const ports = [
      { name: 'dns', port: 53, protocol: 'UDP' as const },
      { name: 'dns-tcp', port: 53, targetPort: 5353 },
      { name: 'http', port: 80, targetPort: 'web' },
      { name: 'sctp', port: 81, protocol: 'SCTP' as const },
    ];
    expect(compile({ ports })?.ports).toEqual([
      { name: 'dns-tcp', number: 53, protocol: 'TCP', targetPort: 5353 },
      { name: 'http', number: 80, protocol: 'HTTP', targetPortName: 'web' },
    ]);
  });

  it.each([
    [undefined, ['shop', 'other']],
    ['', ['shop', 'other']],
    ['*', ['shop', 'other']],
    ['~, *', ['shop', 'other']],
    ['.', ['shop']],
    [' . , other ', ['shop', 'other']],
    ['other', ['other']],
    ['~', []],
    ['~,other', []],
  ])('exportTo %j is seen from %j', (exportTo, namespaces) => {
    const spec = compile({}, exportTo)!;
    expect(['shop', 'other'].filter((namespace) => isVisibleTo(spec, namespace))).toEqual(namespaces);
  });
});
