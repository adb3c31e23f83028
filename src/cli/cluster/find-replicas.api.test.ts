import { afterEach, expect, it } from 'vitest';
import { namesOf } from '../../installation-names.ts';
import { describeApi } from '../../runtime/testing/describe-api.ts';
import { ControlPlaneClient } from '../control-plane-client.ts';
import { findReplicas, type OperatorPod, type PodConnection } from './find-replicas.ts';

/** Answers each path with the pod's name. */
const nameOfPod = ({ name }: OperatorPod): PodConnection => ({
  get: async () => ({ status: 200, text: JSON.stringify(name) }),
  close() {},
});

describeApi('findReplicas', (env) => {
  const namespace = 'weft-system';
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  const leases = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;

  const makePod = async (name: string, { phase = 'Running', app = 'weft' } = {}) => {
    await env().createServiceAccount(namespace, 'weft');
    const body = {
      metadata: { name, labels: { 'app.kubernetes.io/name': app } },
      spec: { containers: [{ name: 'operator', image: 'weft' }], terminationGracePeriodSeconds: 0 },
    };
    await env().rest.request({ method: 'POST', path: pods, body });
    const path = `${pods}/${name}/status`;
    const status = { status: { phase } };
    await env().rest.request({ method: 'PATCH', path, body: status, contentType: 'application/merge-patch+json' });
  };
  const holdLease = (holderIdentity: string) =>
    env().rest.request({ method: 'POST', path: leases, body: { metadata: { name: namesOf().lease }, spec: { holderIdentity } } });

  afterEach(async () => {
    for (const path of [pods, leases]) await env().rest.request({ method: 'DELETE', path, query: { gracePeriodSeconds: 0 } });
  });

  it('finds the running pods of the operator, the leader first', async () => {
    await makePod('weft-a');
    await makePod('weft-b');
    await makePod('weft-pending', { phase: 'Pending' });
    await makePod('weft-done', { phase: 'Succeeded' });
    await makePod('other', { app: 'other' });
    await holdLease('weft-b_5b0d');
    const replicas = await findReplicas(env().rest, namespace, nameOfPod);
    expect(replicas.map(({ name, isLeader }) => ({ name, isLeader }))).toEqual([
      { name: 'weft-system/weft-b', isLeader: true },
      { name: 'weft-system/weft-a', isLeader: false },
    ]);
    const client = new ControlPlaneClient({ find: async () => replicas, close() {} });
    expect(await client.askEach('/proxies')).toEqual(['weft-b', 'weft-a']);
    expect(await client.askLeader('/status')).toBe('weft-b');
  });

  it('takes the only replica for the leader, with or without a lease', async () => {
    await makePod('weft-a');
    expect(await findReplicas(env().rest, namespace, nameOfPod)).toMatchObject([{ isLeader: true }]);
  });

  it('finds no leader while nobody holds the lease, or one holds it that is gone', async () => {
    await makePod('weft-a');
    await makePod('weft-b');
    const find = () => findReplicas(env().rest, namespace, nameOfPod);
    const ask = async () => new ControlPlaneClient({ find, close() {} }).askLeader('/status');
    await expect(ask()).rejects.toThrow('none of weft-system/weft-a, weft-system/weft-b leads at present');
    await holdLease('weft-old_5b0d');
    await expect(ask()).rejects.toThrow('leads at present');
  });

  it('says where it looked if there is no operator', async () => {
    await expect(findReplicas(env().rest, 'elsewhere', nameOfPod)).rejects.toThrow(
      /no running pod with the label app\.kubernetes\.io\/name=weft in namespace elsewhere .*--operator-namespace/,
    );
  });
});
