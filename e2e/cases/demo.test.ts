import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { projectRoot } from '../../demo/options.ts';
import { whyNotFree } from '../../demo/ports.ts';
import { makeCall } from '../env/client.ts';
import { findEnvoy } from '../env/envoy-binary.ts';
import { eventually } from '../env/eventually.ts';
import { freePort } from '../env/free-port.ts';
import { type ManagedProcess, startProcess } from '../env/process.ts';
import { isRunning } from '../env/testing/is-running.ts';

/** The port of each listener of samples/ that a test looks at. */
const portsOfSamples = { http: '24080', tcp: '24090', blue: '24101', green: '24102', cache: '24103' };
const blueEndpoint = /\n\s+- address: \S+\s+ports:\s+http: \d+\s+labels:\s+version: blue\s+weight: 50/;

describe.skipIf((await findEnvoy()) === undefined)('npm start', () => {
  let samples: string;
  let ports: Record<string, number>;
  let demo: ManagedProcess | undefined;

  const edit = (file: string, change: (text: string) => string): void => {
    const path = join(samples, file);
    const before = readFileSync(path, 'utf8');
    const after = change(before);
    expect(after).not.toBe(before);
    writeFileSync(path, after);
  };
  const start = async (...args: string[]): Promise<ManagedProcess> => {
    const main = join(projectRoot, 'demo/main.ts');
    demo = await startProcess({ command: process.execPath, args: [main, '--samples', samples, ...args], name: 'the demo' });
    return demo;
  };
  const hopeless = () => (demo?.hasExited() ? `the demo has ended:\n${demo.log()}` : undefined);
  const whoAnswers = async (): Promise<string> => {
    const { echo, status, error } = await makeCall({ to: `127.0.0.1:${ports.http}`, host: 'api.demo.example' });
    return echo?.name ?? error ?? String(status);
  };

  beforeEach(async () => {
    samples = mkdtempSync(join(tmpdir(), 'weft-demo-'));
    cpSync(join(projectRoot, 'samples'), samples, { recursive: true });
    ports = {};
    // A demo may be running on this machine: this one gets ports of its own.
    for (const [name, port] of Object.entries(portsOfSamples)) {
      ports[name] = await freePort();
      for (const file of readdirSync(samples)) {
        const path = join(samples, file);
        writeFileSync(path, readFileSync(path, 'utf8').replaceAll(port, String(ports[name])));
      }
    }
  });
  afterEach(async () => {
    await demo?.stop();
    rmSync(samples, { recursive: true });
  });

  it('moves traffic when a sample is edited, shows a mistake at its place, and judges the run', async () => {
    const { exited, log } = await start('--duration', '8');
    const seen = new Set<string>();
    await eventually('both endpoints to answer', async () => seen.add(await whoAnswers()).has('blue') && seen.has('green'), {
      hopeless,
    });

    edit('api.yaml', (text) => text.replace(blueEndpoint, ''));
    let inARow = 0;
    await eventually(
      'green to answer alone',
      async () => {
        inARow = (await whoAnswers()) === 'green' ? inARow + 1 : 0;
        return inARow === 20;
      },
      { hopeless, intervalMs: 1 },
    );
    edit('cache.yaml', (text) => text.replace('resolution: STATIC', 'resolution: SOMEHOW'));

    expect(await exited).toEqual({ code: 0, signal: null });
    const last = log().slice(log().lastIndexOf('KIND'));
    expect(last).toMatch(/ServiceEntry +demo\/api +1\/1 +True +Propagated +2 +\d+ ms/);
    expect(last).toMatch(/ServiceEntry +demo\/cache +1\/1 +False +Invalid +2 \(1 in force\)/);
    expect(last).toMatch(/api\.demo\.example +[bg]*g{5} /);
    expect(last).toMatch(/cache\.demo\.example +c{5,} /);
    expect(last).toMatch(/cache\.yaml:\d+:\d+: error: ServiceEntry demo\/cache: spec\.resolution: /);
  });

  it('leaves nothing behind after Ctrl-C', async () => {
    const { pid, child, exited, log } = await start();
    await eventually('requests to flow', async () => ['blue', 'green'].includes(await whoAnswers()), { hopeless });
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
    expect(children.map((id) => readFileSync(`/proc/${id}/cmdline`, 'utf8')).join()).toContain('envoy');

    child.kill('SIGINT');
    expect(await exited).toEqual({ code: 0, signal: null });
    expect(log()).toMatch(/Everything that was started has ended\.$/);
    expect(children.filter(isRunning)).toEqual([]);
    for (const port of Object.values(ports)) expect(await whyNotFree('127.0.0.1', port)).toBeUndefined();
  });

  it('fails when an endpoint does not answer, and says which host', async () => {
    edit('cache.yaml', (text) => text.slice(0, text.indexOf('  endpoints:')));
    const { exited, log } = await start('--duration', '2');
    expect(await exited).toEqual({ code: 1, signal: null });
    expect(log()).toMatch(/demo: no request to cache\.demo\.example was answered: /);
  });
});
