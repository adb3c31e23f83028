import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { NodeSchema } from '../../envoy/gen/envoy/config/core/v3/base_pb.js';
import { parseNode } from './parse-node.ts';

const id = 'sidecar~10.0.0.1~api-7f.v2.shop~shop.svc.cluster.local';
const parse = (init: MessageInitShape<typeof NodeSchema>) => parseNode(create(NodeSchema, init));

describe('parseNode', () => {
  it('reads all that Istio puts into a node', () => {
    const metadata = {
      NAMESPACE: 'shop',
      INSTANCE_IPS: '10.0.0.1,2001:DB8::1',
      LABELS: { app: 'api', odd: 7 },
      INTERCEPTION_MODE: 'TPROXY',
      CLUSTER_ID: 'east',
      SERVICE_ACCOUNT: 'api',
    };
    const node = parse({
      id,
      metadata,
      locality: { region: 'r', zone: 'z', subZone: '' },
      userAgentVersionType: { case: 'userAgentBuildVersion', value: { version: { majorNumber: 1, minorNumber: 40, patch: 0 } } },
    });
    expect(node).toEqual({
      id,
      type: 'sidecar',
      name: 'api-7f.v2',
      namespace: 'shop',
      ipAddresses: ['10.0.0.1', '2001:db8::1'],
      ipFamilies: 'dual',
      labels: { app: 'api' },
      dnsDomain: 'shop.svc.cluster.local',
      interceptionMode: 'TPROXY',
      locality: { region: 'r', zone: 'z', subZone: '' },
      clusterId: 'east',
      serviceAccount: 'api',
      proxyVersion: '1.40.0',
      metadata,
    });
  });

  it('refuses gateways, by name', () => {
    expect(() => parse({ id: 'router~10.0.0.1~gw.edge~edge.svc.cluster.local' })).toThrow('gateways are not served');
  });

  it.each([
    [undefined, ''],
    [null, ''],
    ['', ''],
    [['admin'], '["admin"]'],
    [7, '7'],
  ])('takes %j for an account that is called %j', (SERVICE_ACCOUNT, account) => {
    const metadata: Record<string, string | number | string[] | null> = SERVICE_ACCOUNT === undefined ? {} : { SERVICE_ACCOUNT };
    expect(parse({ id, metadata }).serviceAccount).toBe(account);
  });

  it('makes do with the id alone', () => {
    expect(parse({ id: 'sidecar~2001:db8::7~gw.edge~edge.svc.cluster.local' })).toMatchObject({
      type: 'sidecar',
      name: 'gw',
      namespace: 'edge',
      ipAddresses: ['2001:db8::7'],
      ipFamilies: 'ipv6',
      interceptionMode: 'REDIRECT',
      clusterId: 'Kubernetes',
      labels: {},
      locality: undefined,
    });
  });

  it.each([
    ['', 'no node id'],
    ['envoy', 'four parts'],
    ['sidecar~10.0.0.1~api.shop', 'four parts'],
    ['sidecar~10.0.0.1~api.shop~d~more', 'four parts'],
    ['ztunnel~10.0.0.1~api.shop~shop.svc.cluster.local', '"ztunnel" is not a proxy type'],
    ['sidecar~nowhere~api.shop~shop.svc.cluster.local', 'neither INSTANCE_IPS nor "nowhere"'],
    ['sidecar~10.0.0.1~~shop.svc.cluster.local', 'names no workload'],
  ])('refuses the id "%s" and tells the format', (bad, why) => {
    expect(() => parse({ id: bad })).toThrow(why);
    expect(() => parse({ id: bad })).toThrow('sidecar~<ip>~<pod>.<namespace>~<namespace>.svc.<domain>');
  });

  it("falls back to the id's address where a listed one is none", () => {
    expect(parse({ id, metadata: { INSTANCE_IPS: '10.0.0.9,bogus' } }).ipAddresses).toEqual(['10.0.0.1']);
  });
});
