import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { eventually } from '../../env/eventually.ts';
import { Helm } from '../chart.ts';
import { whileInjecting } from '../injection-load.ts';
import { issueSecret } from '../issued-secret.ts';
import { appPod, appService, MeshNamespace } from '../mesh-pods.ts';
import { applyOf, kubectlOf, run } from '../run.ts';

/** A second revision beside the tests' own, with certificates of its own, and namespaces of both. */
const kubeConfigFile = inject('kubeConfigFile');
const [present, next] = [new Helm(kubeConfigFile), new Helm(kubeConfigFile, 'weft-next')];
const kubectl = kubectlOf(kubeConfigFile);
const operator = (...args: string[]) => kubectl('--namespace=weft-system', ...args);
const [steady, moving] = [new MeshNamespace(kubeConfigFile, 'steady'), new MeshNamespace(kubeConfigFile, 'moving')];
const patience = { deadlineMs: 90_000, intervalMs: 500 };

const nextValues = [
  'revision=next,replicas=1,certificates.existingSecret=weft-next-tls',
  'crds.enabled=false,status.enabled=false,webhooks.validation.enabled=false',
].join();
const installNext = (...more: string[]) => next.install('--set', nextValues, ...more);
const dnsName = 'weft-next.weft-system.svc';
const revisionOf = async (pod: string) =>
  JSON.parse(await moving.field(`pod/${pod}`, '{.metadata.annotations.sidecar\\.istio\\.io/status}')).revision;
const proxies = async () =>
  (await run([process.execPath, 'bin/weft', 'proxy-status'], { env: { KUBECONFIG: kubeConfigFile }, mayFail: true })).stdout;

let firstCa: string;
beforeAll(async () => {
  firstCa = await issueSecret(kubeConfigFile, 'weft-next-tls', dnsName);
  await installNext('--set', 'revisionTags={prod}');
  await Promise.all([steady.create(), moving.create({ 'istio.io/rev': 'prod' })]);
  await Promise.all([steady.apply(appPod('web'), appService('web')), moving.apply(appPod('client'), appService('client'))]);
  await Promise.all([steady.ready('web'), moving.ready('client')]);
});
afterAll(async () => {
  await Promise.all([steady.delete(), moving.delete()]);
  await next.uninstall();
  await operator('delete', 'secret', 'weft-next-tls');
  await present.install();
});

it('two revisions run side by side, one of them with certificates from elsewhere', async () => {
  expect(await revisionOf('client')).toBe('next');
  expect(await moving.ask('client', 'http://web.steady/')).toMatchObject({ pod: 'web' });
  expect(await steady.ask('web', 'http://client.moving/')).toMatchObject({ pod: 'client' });
  expect(await operator('get', 'leases', '-o', 'name')).toContain('weft-next-leader');
  for (const pod of ['client.moving', 'web.steady']) expect(await proxies()).toContain(pod);
  expect(await moving.field('configmap/weft-next-ca-root-cert', '{.data.root-cert\\.pem}')).toBe(firstCa);
  expect(await operator('get', 'secrets', '-o', 'name')).not.toContain('weft-next-authority');
});

it('another authority takes over with no pod refused, and sidecars believe it', async () => {
  const secondCa = await issueSecret(kubeConfigFile, 'weft-next-tls', dnsName);
  const host = await operator('get', 'service/weft-next', '-o', 'jsonpath={.spec.clusterIP}');
  const shows = () =>
    new Promise<true>((resolve, reject) => {
      const socket = connect({ host, port: 15012, servername: dnsName, ca: secondCa, ALPNProtocols: ['h2'] }, () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', reject);
    });
  const { refusals } = await whileInjecting(kubeConfigFile, 'moving', eventually('its certificate', shows, patience));
  expect(refusals).toEqual([]);
  await operator('rollout', 'restart', 'deployment/weft-next');
  await operator('rollout', 'status', 'deployment/weft-next', '--timeout=240s');
  await eventually('the sidecar to connect again', async () => (await proxies()).includes('client.moving'), patience);
  await moving.apply(appPod('late'));
  await moving.ready('late');
  expect(await revisionOf('late')).toBe('next');
});

it('a tag moves to the other revision with no pod refused; pods that run stay where they are', async () => {
  const move = async () => {
    // Both have it for a moment: without it nobody would inject.
    await present.install('--set', 'revisionTags={prod}');
    await installNext();
  };
  expect((await whileInjecting(kubeConfigFile, 'moving', move())).refusals).toEqual([]);
  await moving.apply(appPod('moved'));
  await moving.ready('moved');
  expect(await revisionOf('moved')).toBe('default');
  expect(await revisionOf('client')).toBe('next');
  expect(await moving.ask('moved', 'http://client.moving/')).toMatchObject({ pod: 'client' });
  expect(await moving.ask('client', 'http://web.steady/')).toMatchObject({ pod: 'web' });
  for (const pod of ['client.moving', 'moved.moving']) expect(await proxies()).toContain(pod);
});

it('the tag of the default revision is given and taken away by server-side apply', async () => {
  const apply = applyOf(kubeConfigFile, '--server-side', '--field-manager=helm', '--force-conflicts');
  const asked = async () => {
    const made = await steady.kubectl('run', 'try', '--image=weft/app:dev', '--dry-run=server', '-o', 'json');
    return JSON.parse(JSON.parse(made).metadata.annotations['sidecar.istio.io/status']).revision;
  };
  // Where both serve it, the webhook that comes later in the alphabet is asked last.
  for (const [tags, wanted] of [
    ['["default"]', 'next'],
    ['[]', 'default'],
  ] as const) {
    await apply(await next.render('--set', nextValues, '--set-json', `revisionTags=${tags}`));
    await eventually(`injection by ${wanted}`, async () => (await asked()) === wanted);
  }
});
