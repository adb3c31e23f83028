import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { eventually } from '../../env/eventually.ts';
import { Helm } from '../chart.ts';
import { killContainer } from '../containers.ts';
import { whileInjecting as injectInto } from '../injection-load.ts';
import { appPod, appService, type Manifest, MeshNamespace, readLoad } from '../mesh-pods.ts';
import { kubectlOf, run } from '../run.ts';

const kubeConfigFile = inject('kubeConfigFile');
const helm = new Helm(kubeConfigFile);
const kubectl = kubectlOf(kubeConfigFile);
const operator = (...args: string[]) => kubectl('--namespace=weft-system', ...args);
const [callers, callees] = [new MeshNamespace(kubeConfigFile, 'callers'), new MeshNamespace(kubeConfigFile, 'callees')];
const whileInjecting = (action: Promise<unknown>) => injectInto(kubeConfigFile, 'callers', action);
const rollOut = () => operator('rollout', 'status', 'deployment/weft', '--timeout=240s');
const patience = { deadlineMs: 60_000, intervalMs: 500 };

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

/** Waits until the last replica that leaves has gone, and its sidecars have found another one. */
const settled = () =>
  eventually(
    'four sidecars that are connected',
    async () => {
      const leaving = await operator('get', 'pods', '-o', 'jsonpath={.items[*].metadata.deletionTimestamp}');
      const { stdout, code } = await run([process.execPath, 'bin/weft', 'proxy-status', '-o', 'json'], {
        env: { KUBECONFIG: kubeConfigFile },
        mayFail: true,
      });
      return leaving === '' && code === 0 && (JSON.parse(stdout) as unknown[]).length === 4;
    },
    patience,
  );

const entry = (name: string, annotations = {}): Manifest => ({
  ...{ apiVersion: 'networking.istio.io/v1', kind: 'ServiceEntry', metadata: { name, annotations } },
  spec: {
    ...{ hosts: [`${name}.example.com`], location: 'MESH_EXTERNAL', resolution: 'STATIC' },
    ...{ ports: [{ number: 80, name: 'http', protocol: 'HTTP' }], endpoints: [{ address: '192.0.2.1' }] },
  },
});
/** Every sidecar has acknowledged it, by its status. */
const expectEverywhere = async (name: string) => {
  await callers.propagated(`serviceentry/${name}`);
  expect(await callers.field(`serviceentry/${name}`, '{.status.propagation.summary}')).toBe('4/4 acked');
};

let round = 0;
/** A change gets through to every sidecar, and nothing of the load was lost so far. */
const expectUnharmed = async () => {
  await settled();
  const name = `entry-${++round}`;
  await callers.apply(entry(name));
  await expectEverywhere(name);
  const { asked, failures } = await readLoad(callers, 'load');
  expect(failures).toEqual([]);
  expect(asked).toBeGreaterThan(50);
};
/** A pod of a moment ago has its sidecar, which has been given its configuration. */
const expectNewPod = async (name: string) => {
  await callers.apply(appPod(name));
  await callers.ready(name);
  await callers.kubectl('delete', 'pod', name);
};

const lease = (field: string) => operator('get', 'lease', 'weft-leader', '-o', `jsonpath={.spec.${field}}`);
const decode = (base64: string) => Buffer.from(base64, 'base64').toString('utf8');
const authority = async () =>
  JSON.parse(await operator('get', 'secret', 'weft-authority', '-o', 'jsonpath={.data}')) as Record<string, string>;
const countCertificates = (pem: string) => pem.split('-----BEGIN CERTIFICATE-----').length - 1;
/** How many authorities each of those is told to believe who has to believe the operator. */
const believed = async () => {
  const bundles = ['mutating', 'validating'].map((kind) =>
    kubectl('get', `${kind}webhookconfiguration`, 'weft', '-o', 'jsonpath={.webhooks[*].clientConfig.caBundle}'),
  );
  const perWebhook = (await Promise.all(bundles)).flatMap((text) => text.split(' ')).map(decode);
  const perNamespace = [callers, callees].map((each) => each.field('configmap/weft-ca-root-cert', '{.data.root-cert\\.pem}'));
  const file = '/var/run/secrets/istio/root-cert.pem';
  const mounted = callers.kubectl('exec', 'client', '-c', 'istio-proxy', '--', 'cat', file);
  const all = [...perWebhook, ...(await Promise.all([...perNamespace, mounted]))];
  return [...new Set(all.map(countCertificates))];
};

it('nothing happens', expectUnharmed);

let firstAuthority: string;
it('the next authority is believed before it issues', async () => {
  firstAuthority = (await authority())['ca.crt']!;
  await operator('annotate', 'secret', 'weft-authority', 'weft.dev/rotate=ca');
  const told = eventually('both to be believed', async () => (await believed()).join() === '2', patience);
  expect((await whileInjecting(told)).refusals).toEqual([]);
  const { 'ca.crt': ca, 'tls.crt': serving } = await authority();
  expect(ca).toBe(firstAuthority);
  expect(new X509Certificate(decode(serving!)).checkIssued(new X509Certificate(decode(ca!)))).toBe(true);
});

it('the certificate is replaced', async () => {
  const read = async () => (await authority())['tls.crt'];
  const before = await read();
  await operator('annotate', 'secret', 'weft-authority', 'weft.dev/rotate=certificate');
  const replaced = eventually('another certificate', async () => (await read()) !== before, { deadlineMs: 20_000 });
  expect((await whileInjecting(replaced)).refusals).toEqual([]);
  await expectUnharmed();
  await expectNewPod('after-rotation');
});

it('the next authority issues', async () => {
  const issues = eventually('it to issue', async () => (await authority())['ca.crt'] !== firstAuthority, patience);
  expect((await whileInjecting(issues)).refusals).toEqual([]);
  const { 'ca.crt': ca, 'tls.crt': serving, 'previous-ca.crt': previous } = await authority();
  expect(new X509Certificate(decode(serving!)).checkIssued(new X509Certificate(decode(ca!)))).toBe(true);
  expect(previous).toBe(firstAuthority);
  await expectNewPod('of-the-next');
});

it('the operator is restarted, one replica after the other: every sidecar believes the new authority', async () => {
  await operator('rollout', 'restart', 'deployment/weft');
  const { injected, refusals } = await whileInjecting(rollOut().then(settled));
  expect(refusals).toEqual([]);
  expect(injected).toBeGreaterThan(10);
  await expectUnharmed();
});

it('the leader is killed: until its end has been noticed, pods may be refused, and not after', async () => {
  const [pod] = (await lease('holderIdentity')).split('_');
  const endpoints = (condition: string) => {
    const path = `{.items[*].endpoints[?(@.targetRef.name=="${pod}")].conditions.${condition}}`;
    return operator('get', 'endpointslices', '-l', 'kubernetes.io/service-name=weft', '-o', `jsonpath=${path}`);
  };
  let noticedMs = Number.POSITIVE_INFINITY;
  const happens = async () => {
    await killContainer(kubeConfigFile, 'weft-system', pod!);
    await eventually('its endpoint to go', async () => /false/.test(await endpoints('ready')), { ...patience, intervalMs: 50 });
    noticedMs = performance.now();
    await eventually('its endpoint to come back', async () => /true/.test(await endpoints('ready')), patience);
    // By the other replica when the lease has run out, or by this one under its old name, which is the pod's.
    const before = await lease('renewTime');
    await eventually('somebody to lead', async () => (await lease('renewTime')) !== before, patience);
  };
  const killedMs = performance.now();
  const { injected, refusals } = await whileInjecting(happens());
  const windowMs = Math.round(Math.max(0, ...refusals.map(({ endedMs }) => endedMs)) - (refusals.length && killedMs));
  console.log(`leader killed: ${refusals.length} of ${injected + refusals.length} pods refused, within ${windowMs} ms`);
  // Kubernetes asks one replica only, and the dead one for as long as it is an endpoint.
  for (const { message } of refusals)
    expect(message).toMatch(/failed calling webhook.*(connection refused|EOF|connection reset)/);
  expect(refusals.filter(({ startedMs }) => startedMs > noticedMs)).toEqual([]);
  expect(injected).toBeGreaterThan(10);
  await expectUnharmed();
});

it('the release is upgraded, and an object that is applied meanwhile reaches everybody', async () => {
  const upgrade = async () => {
    const done = helm.install('--set', 'podAnnotations.round=two', '--set', 'replicas=3');
    const count = async () => (await operator('get', 'pods', '-o', 'name')).trim().split('\n').length;
    await Promise.race([done, eventually('a new replica', async () => (await count()) > 2, patience)]);
    await callers.apply(entry('amid'));
    await done;
    await rollOut();
  };
  expect((await whileInjecting(upgrade())).refusals).toEqual([]);
  await settled();
  await expectEverywhere('amid');
  for (const [namespace, pod] of [
    ['callers', 'load'],
    ['callers', 'client'],
    ['callees', 'web-1'],
    ['callees', 'web-2'],
  ]) {
    const clusters = 'http://127.0.0.1:15000/clusters';
    const has = await kubectl('exec', pod!, `--namespace=${namespace}`, '-c', 'istio-proxy', '--', 'curl', '-s', clusters);
    expect(has).toContain('outbound|80||amid.example.com');
  }
  await expectUnharmed();
});

it('the authority from before is believed no more', async () => {
  await eventually('one authority', async () => (await believed()).join() === '1', { ...patience, deadlineMs: 90_000 });
  expect((await authority())['previous-ca.crt']).toBeUndefined();
});

it('with every replica down no pod starts without its sidecar, and the operator comes back by itself', async () => {
  await operator('scale', 'deployment/weft', '--replicas=0');
  await operator('wait', '--for=delete', 'pod', '-l', 'app.kubernetes.io/name=weft', '--timeout=90s');
  await eventually('pods to be refused', async () => {
    const made = await callers.apply(appPod('refused')).then(() => 'made', String);
    expect(made).toMatch(
      /failed calling webhook "namespace\.injection\.weft\.dev".*(no endpoints available|connection refused)/s,
    );
    return true;
  });
  expect(await callers.kubectl('get', 'pods', '-o', 'name')).not.toContain('refused');
  const template = { metadata: { labels: { app: 'patient' } }, spec: appPod('patient').spec };
  const patient = { selector: { matchLabels: { app: 'patient' } }, template };
  await callers.apply({ apiVersion: 'apps/v1', kind: 'ReplicaSet', metadata: { name: 'patient' }, spec: patient });
  const system = appPod('in-kube-system', { spec: { tolerations: [{ operator: 'Exists' }] } });
  const kubeSystem = new MeshNamespace(kubeConfigFile, 'kube-system');
  await kubeSystem.apply(system);
  await kubeSystem.ready('in-kube-system');
  await kubeSystem.kubectl('delete', 'pod', 'in-kube-system');

  await operator('scale', 'deployment/weft', '--replicas=2');
  await rollOut();
  await callers.apply(appPod('client-again'));
  await callers.ready('client-again');
  expect(await callers.field('pod/client-again', '{.spec.initContainers[*].name}')).toBe('istio-init istio-proxy');
  await callers.kubectl('wait', '--for=jsonpath={.status.readyReplicas}=1', 'replicaset/patient', '--timeout=60s');
  await callers.kubectl('delete', 'replicaset/patient', 'pod/client-again', '--wait');
  await callers.kubectl('wait', '--for=delete', 'pod', '-l', 'app=patient', '--timeout=60s');
  await expectUnharmed();
});

it('the release is uninstalled: pods go on, new ones start without a sidecar, deletions wait for nobody; and installed again', async () => {
  await callers.apply(entry('waited-for', { 'weft.dev/wait-for-withdrawal': 'true' }));
  const finalizers = () => callers.field('serviceentry/waited-for', '{.metadata.finalizers[*]}');
  await eventually('the finalizer', async () => (await finalizers()) === 'weft.dev/withdrawal');
  await helm.uninstall();
  await operator('wait', '--for=delete', 'pod', '-l', 'app.kubernetes.io/name=weft', '--timeout=90s');
  const crds = await kubectl('get', 'crds', '-o', 'name');
  expect(crds).toContain('serviceentries.networking.istio.io');
  await callers.kubectl('delete', 'serviceentry/waited-for', '--timeout=10s');
  await callers.apply(appPod('without'));
  await callers.ready('without');
  expect(await callers.field('pod/without', '{.spec.initContainers[*].name}')).toBe('');
  expect(await callers.ask('client', 'http://web.callees/')).toMatchObject({ method: 'GET' });
  expect((await readLoad(callers, 'load')).failures).toEqual([]);

  await helm.install();
  await callers.kubectl('delete', 'pod', 'without');
  await expectUnharmed();
});
