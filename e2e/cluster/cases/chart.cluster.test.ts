import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { eventually } from '../../env/eventually.ts';
import { Helm } from '../chart.ts';
import { appPod, appService, MeshNamespace } from '../mesh-pods.ts';
import { applyOf, binFolder, kubectlOf, run } from '../run.ts';

const kubeConfigFile = inject('kubeConfigFile');
const helm = new Helm(kubeConfigFile);
const kubectl = kubectlOf(kubeConfigFile);
const mesh = new MeshNamespace(kubeConfigFile, 'charted');
beforeAll(async () => {
  await mesh.create();
  await mesh.apply(appPod('web'), appService('web'));
  await mesh.ready('web');
});
afterAll(() => mesh.delete());

/** What `kubectl diff` says of a render. */
const diff = async (manifests: string, ...flags: string[]) =>
  run([`${binFolder}/kubectl`, '--kubeconfig', kubeConfigFile, 'diff', '-f', '-', ...flags], { stdin: manifests, mayFail: true });

it('helm test passes', async () => {
  expect((await helm.run(['test', 'weft', '--namespace=weft-system'])).stdout).toMatch(/Phase:\s+Succeeded/);
});

it('nothing drifts once the operator has run, by either kind of apply', async () => {
  const manifests = await helm.render();
  const bundle = await kubectl(
    'get',
    'mutatingwebhookconfiguration',
    'weft',
    '-o',
    'jsonpath={.webhooks[*].clientConfig.caBundle}',
  );
  expect(bundle.split(' ')).toHaveLength(5);
  expect(await diff(manifests)).toMatchObject({ code: 0, stdout: '' });
  expect(await diff(manifests, '--server-side', '--field-manager=helm')).toMatchObject({ code: 0, stdout: '' });
  // It would tell of a field that is not as rendered.
  expect((await diff(manifests.replace('failurePolicy: Fail', 'failurePolicy: Ignore'))).code).toBe(1);
});

it('webhooks are turned on and off by server-side apply, and injection follows', async () => {
  const plain = new MeshNamespace(kubeConfigFile, 'plain');
  await plain.create({});
  const apply = applyOf(kubeConfigFile, '--server-side', '--field-manager=helm', '--force-conflicts');
  const injected = () =>
    plain.kubectl('run', 'try', '--image=weft/app:dev', '--dry-run=server', '-o', 'jsonpath={.spec.initContainers[*].name}');
  try {
    for (const isOn of [true, false, true, false]) {
      const manifests = await helm.render('--set', `injection.enableNamespacesByDefault=${isOn}`);
      await apply(manifests);
      const wanted = isOn ? 'istio-init istio-proxy' : '';
      await eventually(`"${wanted}" in a namespace without labels`, async () => (await injected()) === wanted);
      expect(await diff(manifests, '--server-side', '--field-manager=helm')).toMatchObject({ code: 0, stdout: '' });
    }
  } finally {
    await plain.delete();
  }
});

it('a caBundle that is taken away comes back', async () => {
  const path = '/webhooks/0/clientConfig/caBundle';
  const read = () =>
    kubectl('get', 'mutatingwebhookconfiguration', 'weft', '-o', 'jsonpath={.webhooks[0].clientConfig.caBundle}');
  const before = await read();
  await kubectl('patch', 'mutatingwebhookconfiguration', 'weft', '--type=json', '-p', JSON.stringify([{ op: 'remove', path }]));
  await eventually('it to come back', async () => (await read()) === before);
});

it('the operator fits the strictest pod security standard', async () => {
  await kubectl('label', 'namespace', 'weft-system', 'pod-security.kubernetes.io/enforce=restricted', '--overwrite');
  const pods = JSON.parse(await kubectl('get', 'pods', '-n', 'weft-system', '-o', 'json')) as {
    items: { metadata: object; spec: object }[];
  };
  const { spec } = pods.items[0]!;
  const again = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'again', namespace: 'weft-system' }, spec };
  const stdin = JSON.stringify(again);
  const { stdout } = await run(
    [`${binFolder}/kubectl`, '--kubeconfig', kubeConfigFile, 'create', '--dry-run=server', '-f', '-'],
    { stdin },
  );
  expect(stdout).toContain('pod/again created');
});

it('the mesh config is followed without a restart', async () => {
  const podsOf = () => kubectl('get', 'pods', '-n', 'weft-system', '-o', 'jsonpath={.items[*].metadata.uid}');
  const admin = 'http://127.0.0.1:15000/config_dump?resource=dynamic_listeners';
  const letsEverythingOut = async () =>
    (await mesh.kubectl('exec', 'web', '-c', 'istio-proxy', '--', 'curl', '-s', admin)).includes('"PassthroughCluster"');
  const before = await podsOf();
  expect(await letsEverythingOut()).toBe(true);
  await helm.install('--set', 'meshConfig.outboundTrafficPolicy.mode=REGISTRY_ONLY');
  const patience = { deadlineMs: 90_000, intervalMs: 500 };
  await eventually('sidecars to let out what they know only', async () => !(await letsEverythingOut()), patience);
  expect(await podsOf()).toBe(before);
  await helm.install();
});
