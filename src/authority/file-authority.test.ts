import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { eventually } from '../runtime/testing/eventually.ts';
import { FakeClock } from '../runtime/testing/fake-clock.ts';
import { type LoggedLine, logInto } from '../runtime/testing/log-lines.ts';
import { selfSigned } from '../runtime/testing/self-signed.ts';
import { createFileAuthority } from './file-authority.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'file-authority-'));
});
afterEach(() => rm(folder, { recursive: true }));

it('follows a certificate and a CA in files, and keeps the last good ones', async () => {
  const files = { certificate: join(folder, 'tls.crt'), key: join(folder, 'tls.key'), ca: join(folder, 'ca.crt') };
  const write = async ({ certificate, key }: { certificate: string; key: string }, ca: string) => {
    await writeFile(files.certificate, certificate);
    await writeFile(files.key, key);
    await writeFile(files.ca, ca);
  };
  const [first, second] = [selfSigned(), selfSigned()];
  await write(first, first.certificate);
  const lines: LoggedLine[] = [];
  const clock = new FakeClock();
  const authority = createFileAuthority({ files, clock, logger: logInto(lines), registry: new Registry() });
  expect(authority.trust.current).toBe(first.certificate);
  const stop = new AbortController();
  const runs = authority.parts.map((part) => part.start(stop.signal));
  await eventually(() => expect(authority.certificates.current).toEqual(first));
  const follow = (assertion: () => unknown) =>
    eventually(async () => {
      await clock.advanceAsync(10_000);
      assertion();
    });
  await write(second, `${first.certificate}${second.certificate}`);
  await follow(() =>
    expect([authority.certificates.current, authority.trust.current?.length]).toEqual([
      second,
      first.certificate.length + second.certificate.length,
    ]),
  );
  await writeFile(files.ca, 'nothing');
  await follow(() => expect(lines.map(({ message }) => message)).toContain('The CA cannot be used; the last good one stays'));
  expect(authority.trust.current).toContain(second.certificate);
  stop.abort();
  await Promise.all(runs);
});

it('needs a CA at the start', async () => {
  const files = { certificate: join(folder, 'a'), key: join(folder, 'b'), ca: join(folder, 'ca.crt') };
  const create = () => createFileAuthority({ files, clock: new FakeClock(), logger: logInto([]), registry: new Registry() });
  expect(create).toThrow('ca.crt');
  await writeFile(files.ca, 'nothing');
  expect(create).toThrow(`${files.ca} holds no certificate in PEM`);
});
