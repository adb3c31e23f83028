import { expect, it } from 'vitest';
import { nodeKind } from '../../../api/kubernetes/node.ts';
import { podKind } from '../../../api/kubernetes/pod.ts';
import { nodeLocality, podLocality } from './locality.ts';

const node = (labels: Record<string, string>) => nodeKind.slim({ metadata: { name: 'n', labels } });
const pod = (labels: Record<string, string>) => podKind.slim({ metadata: { name: 'p', namespace: 'shop', labels } });
const eu = node({
  'topology.kubernetes.io/region': 'eu',
  'topology.kubernetes.io/zone': 'eu-a',
  'topology.istio.io/subzone': 'rack-1',
});

it("is a node's, by its labels", () => {
  expect(nodeLocality(eu)).toEqual({ region: 'eu', zone: 'eu-a', subZone: 'rack-1' });
  expect(nodeLocality(node({ 'topology.kubernetes.io/zone': 'z' }))).toEqual({ region: '', zone: 'z', subZone: '' });
  expect(nodeLocality(node({}))).toBeUndefined();
  expect(nodeLocality(undefined)).toBeUndefined();
});

it.each([
  [{}, { region: 'eu', zone: 'eu-a', subZone: 'rack-1' }],
  [{ 'istio-locality': 'us.us-1.r' }, { region: 'us', zone: 'us-1', subZone: 'r' }],
  [
    { 'istio-locality': 'old', 'topology.istio.io/locality': 'us/us.1' },
    { region: 'us', zone: 'us.1', subZone: '' },
  ],
  [{ 'istio-locality': '' }, { region: 'eu', zone: 'eu-a', subZone: 'rack-1' }],
])('of a pod with labels %j on that node is %j', (labels, locality) => {
  expect(podLocality(pod(labels), eu)).toEqual(locality);
});
