import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../testing/eventually.ts';
import { FakeClock } from '../testing/fake-clock.ts';
import { selfSigned } from '../testing/self-signed.ts';
import { CertWatcher } from './cert-watcher.ts';
import type { ServingCertificate } from './certificates.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cert-watcher-'));
});
afterEach(() => rm(folder, { recursive: true }));

const files = () => ({ certificateFile: join(folder, 'tls.crt'), keyFile: join(folder, 'tls.key') });

async function write({ certificate, key }: ServingCertificate): Promise<void> {
  await writeFile(files().certificateFile, certificate);
  await writeFile(files().keyFile, key);
}

describe('certificate watcher', () => {
  it('follows its files, past pairs that do not fit', async () => {
    const [first, second] = [selfSigned(), selfSigned()];
    await write(first);
    const clock = new FakeClock();
    const registry = new Registry();
    const watcher = new CertWatcher({ ...files(), clock, registry });
    const heard: ServingCertificate[] = [];
    watcher.onChange((certificate) => heard.push(certificate));
    const stop = new AbortController();
    const run = watcher.start(stop.signal);
    await watcher.waitForReady(stop.signal);
    expect(watcher.current).toEqual(first);
    const reads = async () => (await registry.getSingleMetric('certwatcher_read_certificate_total')!.get()).values[0]!.value;
    const readAgain = async () => {
      const before = await reads();
      await eventually(async () => {
        await clock.advanceAsync(10_000);
        expect(await reads()).toBeGreaterThan(before + 1);
      });
    };
    await readAgain();
    expect(heard).toEqual([first]);
    await writeFile(files().certificateFile, second.certificate);
    await readAgain();
    expect(watcher.current).toEqual(first);
    // As a file is that is being written anew.
    await writeFile(files().keyFile, '');
    await readAgain();
    expect(watcher.current).toEqual(first);
    await writeFile(files().keyFile, second.key);
    await readAgain();
    expect(heard).toEqual([first, second]);
    expect(await registry.metrics()).toMatch(/certwatcher_read_certificate_errors_total [1-9]/);
    stop.abort();
    await run;
    expect(clock.pendingTimers).toBe(0);
  });

  it('needs files that fit at the start', async () => {
    const watcher = new CertWatcher(files());
    const { signal } = new AbortController();
    const ready = watcher.waitForReady(signal);
    await expect(watcher.start(signal)).rejects.toThrow(`cannot use ${files().certificateFile} with ${files().keyFile}: ENOENT`);
    await expect(ready).rejects.toThrow('ENOENT');
  });
});
