import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Cache } from './cache/cache.ts';
import { Client } from './client/client.ts';
import { eventKind } from './events/recorded-event.ts';
import { leaseKind } from './leader-election/lease.ts';
import type { KubernetesObject } from './object.ts';
import type { ResourceKind } from './resource-kind.ts';
import { describeApi } from './testing/describe-api.ts';
import { eventually } from './testing/eventually.ts';
import { configMapKind } from './testing/kubernetes-kinds.ts';

const root = join(import.meta.dirname, '..', '..');

type Site = KubernetesObject & { spec: { title: string }; status?: { observedGeneration: number } };

const siteKind: ResourceKind<Site> = {
  group: 'example.com',
  version: 'v1',
  servedVersions: ['v1'],
  kind: 'Site',
  plural: 'sites',
  scope: 'Namespaced',
};

/** The first block of the language on the page. */
async function readBlock(language: string): Promise<string> {
  const page = await readFile(join(root, 'docs', 'runtime.md'), 'utf8');
  return new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 's').exec(page)![1]!;
}

function replaceIn(text: string, from: string, to: string): string {
  expect(text).toContain(from);
  return text.replaceAll(from, to);
}

describeApi('the operator of docs/runtime.md', (env) => {
  let folder: string;
  let file: string;
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'guide-'));
    file = join(folder, 'operator.ts');
    const code = await readBlock('ts');
    expect(code.trim().split('\n').filter(Boolean).length, 'lines of the operator').toBeLessThanOrEqual(35);
    const anyPort = "metricsBind: { host: '127.0.0.1', port: 0 }, healthProbeBind: { host: '127.0.0.1', port: 0 },";
    const here = replaceIn(code, '../src/runtime/index.ts', relative(folder, join(root, 'src', 'runtime', 'index.ts')));
    await writeFile(file, replaceIn(here, 'new Manager({', `new Manager({ ${anyPort}`));
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
    await writeFile(join(folder, 'crd.yaml'), await readBlock('yaml'));
  });

  afterAll(async () => {
    for (const child of children) if (child.exitCode === null && child.kill('SIGKILL')) await once(child, 'exit');
    await rm(folder, { recursive: true, force: true });
  });

  function startOperator(): { child: ChildProcess; log: () => string } {
    const child = spawn(process.execPath, [file], {
      env: { ...process.env, KUBECONFIG: env().kubeConfigFile },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    children.push(child);
    let log = '';
    child.stderr!.setEncoding('utf8').on('data', (text) => {
      log += text;
    });
    return { child, log: () => log };
  }

  it('compiles', async () => {
    const settings = { extends: join(root, 'tsconfig.json'), files: [file], include: [] };
    const typeRoots = [join(root, 'node_modules', '@types')];
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ ...settings, compilerOptions: { typeRoots } }));
    const tsc = join(root, 'node_modules', '.bin', 'tsc');
    const answer = await promisify(execFile)(tsc, ['-p', folder]).catch((error) => error);
    expect(answer.stdout).toBe('');
  });

  it('waits for its CRD, publishes, repairs, hands over and stops', async () => {
    const client = new Client({ rest: env().rest, cache: new Cache() });
    const page = (name: string) => client.getLive(configMapKind, `default/${name}`);
    const site = (name: string, title: string): Site => ({
      apiVersion: 'example.com/v1',
      kind: 'Site',
      metadata: { name, namespace: 'default' },
      spec: { title },
    });
    const [first, second] = [startOperator(), startOperator()];
    try {
      await eventually(() => expect(first.log()).toContain('sites.example.com'));
      await env().installCrdFiles([join(folder, 'crd.yaml')]);
      const created = await client.create(siteKind, site('home', 'Hello'));
      await eventually(async () => expect((await page('home'))?.data).toEqual({ 'index.html': '<h1>Hello</h1>' }));
      await eventually(async () =>
        expect((await client.getLive(siteKind, 'default/home'))!.status).toEqual({ observedGeneration: 1 }),
      );
      expect((await page('home'))!.metadata.ownerReferences).toMatchObject([{ kind: 'Site', name: 'home', controller: true }]);

      await client.patch(configMapKind, 'default/home', { type: 'merge', value: { data: { 'index.html': 'defaced' } } });
      await eventually(async () => expect((await page('home'))!.data!['index.html']).toBe('<h1>Hello</h1>'));
      await client.patch(siteKind, 'default/home', { type: 'merge', value: { spec: { title: 'Bye' } } });
      await eventually(async () => expect((await page('home'))!.data!['index.html']).toBe('<h1>Bye</h1>'));
      await eventually(async () => {
        const events = await client.listLive(eventKind);
        const notes = events.filter(({ regarding }) => regarding.uid === created.metadata.uid).map(({ note }) => note);
        expect(notes.sort()).toEqual(['"Bye" is online', '"Hello" is online']);
      });

      const { spec } = (await client.getLive(leaseKind, 'default/site-operator'))!;
      const leads = ({ log }: { log: () => string }) => log().includes('Became leader');
      expect([first, second].filter(leads)).toHaveLength(1);
      const [leader, other] = leads(first) ? [first, second] : [second, first];
      leader.child.kill('SIGTERM');
      const [code] = await once(leader.child, 'exit');
      expect(code, leader.log()).toBe(0);
      await client.create(siteKind, site('next', 'Again'));
      await eventually(async () => expect((await page('next'))?.data?.['index.html']).toBe('<h1>Again</h1>'));
      const after = (await client.getLive(leaseKind, 'default/site-operator'))!.spec!;
      expect(after.holderIdentity).not.toBe(spec!.holderIdentity);
      other.child.kill('SIGTERM');
      expect((await once(other.child, 'exit'))[0], other.log()).toBe(0);
    } catch (error) {
      throw new Error(`${(error as Error).message}\nfirst:\n${first.log()}\nsecond:\n${second.log()}`, { cause: error });
    }
  }, 60_000);
});
