import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { eventually } from '../../env/eventually.ts';
import { Helm } from '../chart.ts';
import { appPod, appService, type Manifest, MeshNamespace, readLoad } from '../mesh-pods.ts';
import { kubectlOf, run } from '../run.ts';

const kubeConfigFile = inject('kubeConfigFile');
const helm = new Helm(kubeConfigFile);
const kubectl = kubectlOf(kubeConfigFile);
const operator = (...args: string[]) => kubectl('--namespace=weft-system', ...args);
const [callers, callees] = [new MeshNamespace(kubeConfigFile, 'callers'), new MeshNamespace(kubeConfigFile, 'callees')];

beforeAll(async () => {
  await Promise.all([callers.create(), callees.create()]);
  await callees.apply(
    appPod('web-1', { labels: { app: 'web' } }),
    appPod('web-2', { labels: { app: 'web' } }),
    appService('web'),
  );
  await callees.ready('web-1', 'web-2');
  const urls = (await callees.field('service/web', '{.spec.clusterIPs[*]}'))
    .split(' ')
    .map((address) => (address.includes(':') ? `http://[${address}]/` : `http://${address}/`));
  await callers.apply(appPod('load', { args: ['load', ...urls] }), appPod('client'));
  await callers.ready('load', 'client');
});
afterAll(() => Promise.all([callers.delete(), callees.delete()]));

let round = 0;
/** Waits until the last replica that leaves has gone, and its sidecars have found another one. */
const settled = async () => {
  await eventually(
    'four sidecars that are connected',
    async () => {
      const leaving = await operator('get', 'pods', '-o', 'jsonpath={.items[*].metadata.deletionTimestamp}');
      const { stdout, code } = await run([process.execPath, 'bin/weft', 'proxy-status', '-o', 'json'], {
        env: { KUBECONFIG: kubeConfigFile },
        mayFail: true,
      });
      return leaving === '' && code === 0 && (JSON.parse(stdout) as unknown[]).length === 4;
    },
    { deadlineMs: 60_000, intervalMs: 500 },
  );
};

/** A change gets through to every sidecar, and nothing of the load was lost so far. */
const expectUnharmed = async () => {
  await settled();
  const name = `entry-${++round}`;
  const entry: Manifest = {
    ...{ apiVersion: 'networking.istio.io/v1', kind: 'ServiceEntry', metadata: { name } },
    spec: {
      ...{ hosts: [`${name}.example.com`], location: 'MESH_EXTERNAL', resolution: 'STATIC' },
      ...{ ports: [{ number: 80, name: 'http', protocol: 'HTTP' }], endpoints: [{ address: '192.0.2.1' }] },
    },
  };
  await callers.apply(entry);
  await callers.propagated(`serviceentry/${name}`);
  expect(await callers.field(`serviceentry/${name}`, '{.status.propagation.summary}')).toBe('4/4 acked');
  const { asked, failures } = await readLoad(callers, 'load');
  expect(failures).toEqual([]);
  expect(asked).toBeGreaterThan(50);
};

/** While something goes on, pods are made all the time, as a dry run: each has a sidecar. Resolves with their number. */
const whileInjecting = async (action: Promise<unknown>): Promise<number> => {
  let [isOver, count] = [false, 0];
  const injecting = async () => {
    for (; !isOver; count++) {
      const pod = ['run', `try-${count}`, '--image=weft/app:dev', '--dry-run=server'];
      const made = await callers.kubectl(...pod, '-o', 'jsonpath={.spec.initContainers[*].name}');
      expect(made).toBe('istio-init istio-proxy');
    }
  };
  await Promise.all([injecting(), action.finally(() => (isOver = true))]);
  return count;
};

const leader = async () =>
  (await operator('get', 'lease', 'weft-leader', '-o', 'jsonpath={.spec.holderIdentity}')).split('_')[0]!;
const rollOut = () => operator('rollout', 'status', 'deployment/weft', '--timeout=120s');

it('nothing happens', expectUnharmed);

it('the certificate is replaced', async () => {
  const read = () => operator('get', 'secret', 'weft-authority', '-o', 'jsonpath={.data.tls\\.crt}');
  const before = await read();
  await operator('annotate', 'secret', 'weft-authority', 'weft.dev/rotate=certificate');
  await eventually('another certificate', async () => (await read()) !== before, { deadlineMs: 20_000 });
  await expectUnharmed();
  await callers.apply(appPod('after-rotation'));
  await callers.ready('after-rotation');
  await callers.kubectl('delete', 'pod', 'after-rotation');
});

it('the operator is restarted, one replica after the other', async () => {
  await operator('rollout', 'restart', 'deployment/weft');
  expect(await whileInjecting(rollOut())).toBeGreaterThan(3);
  await expectUnharmed();
});

it('the leader is killed', async () => {
  const killed = await leader();
  await operator('delete', 'pod', killed, '--force', '--grace-period=0');
  // The lease has to run out first.
  await eventually('another leader', async () => (await leader()) !== killed, { deadlineMs: 60_000, intervalMs: 500 });
  await rollOut();
  await expectUnharmed();
});

it('the release is upgraded', async () => {
  await whileInjecting(helm.install('--set', 'podAnnotations.round=two', '--set', 'replicas=3'));
  await rollOut();
  await expectUnharmed();
  await helm.install();
  await rollOut();
  await expectUnharmed();
});

it('the release is uninstalled: pods go on, new ones start without a sidecar; and installed again', async () => {
  await helm.run(['uninstall', 'weft', '--namespace=weft-system', '--wait']);
  await operator('wait', '--for=delete', 'pod', '-l', 'app.kubernetes.io/name=weft', '--timeout=90s');
  const crds = await kubectl('get', 'crds', '-o', 'name');
  expect(crds).toContain('serviceentries.networking.istio.io');
  await callers.apply(appPod('without'));
  await callers.ready('without');
  expect(await callers.field('pod/without', '{.spec.initContainers[*].name}')).toBe('');
  expect(await callers.ask('client', 'http://web.callees/')).toMatchObject({ method: 'GET' });
  expect((await readLoad(callers, 'load')).failures).toEqual([]);

  await helm.install();
  await callers.kubectl('delete', 'pod', 'without');
  await expectUnharmed();
});
