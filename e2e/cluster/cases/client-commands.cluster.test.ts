import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, inject, it } from 'vitest';
import { eventually } from '../../env/eventually.ts';
import { createKeeper } from '../../env/keeper.ts';
import { startProcess } from '../../env/process.ts';
import { appPod, MeshNamespace } from '../mesh-pods.ts';
import { applyOf, binFolder, kubectlOf, type RunOptions, run } from '../run.ts';

const kubeConfigFile = inject('kubeConfigFile');
const kubectl = kubectlOf(kubeConfigFile);
const apply = applyOf(kubeConfigFile);
const weft = join(import.meta.dirname, '../../../bin/weft');
const env = { KUBECONFIG: kubeConfigFile };
const runWeft = (args: readonly string[], options: RunOptions = {}) =>
  run([process.execPath, weft, ...args], { env, ...options });

const { keep, defer, release } = createKeeper();
afterEach(release);

const proxies = ['web-1', 'web-2'];

const entry = (name: string) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: shop}
spec:
  hosts: [${name}.example.com]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 192.0.2.1}]
`;

/** How many port-forwards the API server has had to do with so far. */
const countForwards = async (): Promise<number> => {
  const metrics = await kubectl('get', '--raw', '/metrics');
  const lines = metrics.matchAll(/^apiserver_request_total\{[^}]*subresource="portforward"[^}]*\} (\d+)$/gm);
  return [...lines].reduce((sum, [, value]) => sum + Number(value), 0);
};

const shop = new MeshNamespace(kubeConfigFile, 'shop');
beforeAll(async () => {
  await shop.create();
  await shop.apply(...proxies.map((pod) => appPod(pod, { labels: { app: 'web' } })));
  await shop.ready(...proxies);
});
afterAll(() => shop.delete());

it('finds the operator’s pod by the kubeconfig', async () => {
  const { stdout } = await eventually('the proxies to be listed', async () => {
    const listed = await runWeft(['proxy-status']);
    return proxies.every((pod) => listed.stdout.includes(pod)) && listed;
  });
  for (const pod of proxies) expect(stdout).toMatch(new RegExp(`^${pod}\\.shop +SYNCED +SYNCED +SYNCED`, 'm'));
});

it('waits until an object has reached every proxy, and shows it', async () => {
  await apply(entry('api'));
  const waited = await runWeft(['wait', '--for=ready', 'serviceentry/api', '-n', 'shop', '--timeout', '20s']);
  expect(waited.stdout).toBe('serviceentry/api condition met\n');
  const { stdout } = await runWeft(['status', '-n', 'shop']);
  expect(stdout).toMatch(/^shop +serviceentry\/api +True +Propagated +2\/2 acked +1 /m);
  const config = await runWeft(['proxy-config', 'clusters', 'web-1.shop']);
  expect(config.stdout).toMatch(/outbound\|80\|\|api\.example\.com +\S+ +ServiceEntry\/shop\/api/);
});

it('is a plugin of kubectl', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'weft-plugin-'));
  defer(() => rm(folder, { recursive: true }));
  await symlink(weft, join(folder, 'kubectl-weft'));
  const path = `${folder}:${join(process.execPath, '..')}:${process.env.PATH}`;
  const { stdout } = await run([join(binFolder, 'kubectl'), 'weft', 'proxy-status', '-o', 'json'], {
    env: { ...env, PATH: path },
  });
  expect(JSON.parse(stdout).map(({ proxy }: { proxy: string }) => proxy)).toEqual(['shop/web-1', 'shop/web-2']);
});

it('keeps one port-forward for as long as it waits', async () => {
  const before = await countForwards();
  const { code, stderr } = await runWeft(['wait', 'serviceentry/none', '-n', 'shop', '--timeout', '3s'], { mayFail: true });
  expect(code).toBe(1);
  expect(stderr).toContain('timed out after 3s waiting for serviceentry/none to be ready: it is not known to the control plane');
  await eventually('the port-forward to be counted', async () => (await countForwards()) > before);
  expect((await countForwards()) - before).toBe(1);
});

it('goes on watching through a rollout of the operator', async () => {
  const lines: string[] = [];
  const command = { command: process.execPath, args: [weft, 'status', '-n', 'shop', '--watch'], env, name: 'weft status' };
  const watch = await keep(startProcess({ ...command, onLine: (line) => lines.push(line) }));
  const untilLine = (pattern: RegExp) =>
    eventually(`a line ${pattern}`, () => lines.some((line) => pattern.test(line)), {
      deadlineMs: 60_000,
      hopeless: () => (watch.hasExited() ? `it has ended:\n${watch.log()}` : undefined),
    });
  await untilLine(/serviceentry\/api +True/);
  await kubectl('rollout', 'restart', 'deployment/weft', '-n', 'weft-system');
  await kubectl('rollout', 'status', 'deployment/weft', '-n', 'weft-system', '--timeout=60s');
  await apply(entry('later'));
  await untilLine(/serviceentry\/later +True +Propagated +2\/2 acked/);
});

it('says which permission is missing', async () => {
  await kubectl('create', 'serviceaccount', 'reader', '-n', 'shop');
  defer(() => kubectl('delete', 'serviceaccount/reader', '-n', 'shop'));
  const token = (await kubectl('create', 'token', 'reader', '-n', 'shop')).trim();
  const folder = await mkdtemp(join(tmpdir(), 'weft-reader-'));
  defer(() => rm(folder, { recursive: true }));
  const file = join(folder, 'kubeconfig');
  const config = JSON.parse(await kubectl('config', 'view', '--raw', '-o', 'json'));
  config.users = [{ name: config.contexts[0].context.user, user: { token } }];
  await writeFile(file, JSON.stringify(config));
  const ask = () => runWeft(['proxy-status', '--kubeconfig', file], { mayFail: true });

  const blind = await ask();
  expect(blind.code).toBe(1);
  expect(blind.stderr).toMatch(/looking for the operator's pods in namespace weft-system: .*verb "list" on pods/);
  const bind = ['create', 'rolebinding', 'reader', '--clusterrole=view', '--serviceaccount=shop:reader', '-n', 'weft-system'];
  await kubectl(...bind);
  await kubectl('create', 'role', 'reader', '--verb=get', '--resource=leases', '-n', 'weft-system');
  await kubectl('create', 'rolebinding', 'leases', '--role=reader', '--serviceaccount=shop:reader', '-n', 'weft-system');
  defer(() => kubectl('delete', 'role/reader', 'rolebinding/leases', '-n', 'weft-system'));
  defer(() => kubectl('delete', 'rolebinding/reader', '-n', 'weft-system'));
  const sighted = await eventually('the role to hold', async () => {
    const asked = await ask();
    return !asked.stderr.includes('looking for') && asked;
  });
  expect(sighted.stderr).toContain('grant this user the verbs "get" and "create" on pods/portforward');
});
