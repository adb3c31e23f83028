import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../runtime/testing/eventually.ts';
import { FakeClock } from '../runtime/testing/fake-clock.ts';
import { type LoggedLine, logInto } from '../runtime/testing/log-lines.ts';
import { selfSigned } from '../runtime/testing/self-signed.ts';
import { issueCa, issueServing } from './certificate.ts';
import { createFileAuthority } from './file-authority.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'file-authority-'));
});
afterEach(() => rm(folder, { recursive: true }));

const hourMs = 3_600_000;
const names = ['weft.weft-system.svc'];

/** A bundle without what it says of the time. */
const untimed = (bundle: string | undefined) => bundle?.replaceAll(/^# A former CA, believed until .*\n/gm, '');

/** A Secret of cert-manager's, mounted: three files that change together. */
const pathsOf = () => ({ certificate: join(folder, 'tls.crt'), key: join(folder, 'tls.key'), ca: join(folder, 'ca.crt') });
const write = async ({ certificate, key }: { certificate: string; key: string }, ca: string) => {
  const files = pathsOf();
  await writeFile(files.certificate, certificate);
  await writeFile(files.key, key);
  await writeFile(files.ca, ca);
};

const start = (clock: FakeClock, published: string[] = []) => {
  const lines: LoggedLine[] = [];
  const authority = createFileAuthority({
    ...{ files: pathsOf(), overlapMs: hourMs, published: async () => published },
    ...{ clock, logger: logInto(lines), registry: new Registry() },
  });
  const stop = new AbortController();
  const runs = authority.parts.map((part) => part.start(stop.signal));
  const state = () => ({ shown: authority.certificates.current?.certificate, trust: untimed(authority.trust.current) });
  /** Lets the files be read until it is so. */
  const becomes = (expected: ReturnType<typeof state>) =>
    eventually(async () => {
      await clock.advanceAsync(10_000);
      expect(state()).toEqual(expected);
    });
  return {
    ...{ authority, lines, state, becomes },
    end: async () => {
      stop.abort();
      await Promise.all(runs);
      expect(clock.pendingTimers).toBe(0);
    },
  };
};

describe('an authority in files', () => {
  it('follows another CA in steps, and what began in the middle does so too', async () => {
    const clock = new FakeClock();
    const ca = () => issueCa({ nowMs: clock.now(), lifetimeMs: 1000 * hourMs });
    const [firstCa, secondCa] = [await ca(), await ca()];
    const issue = (by: typeof firstCa) => issueServing(by, { nowMs: clock.now(), lifetimeMs: 100 * hourMs, names });
    const [first, renewed, second] = [await issue(firstCa), await issue(firstCa), await issue(secondCa)];
    await write(first, firstCa.certificate);
    const replica = start(clock);
    await replica.becomes({ shown: first.certificate, trust: firstCa.certificate });
    await write(renewed, firstCa.certificate);
    await replica.becomes({ shown: renewed.certificate, trust: firstCa.certificate });

    const both = `${secondCa.certificate}${firstCa.certificate}`;
    await write(second, secondCa.certificate);
    await replica.becomes({ shown: renewed.certificate, trust: both });
    await clock.advanceAsync(hourMs / 2);
    expect(replica.state()).toEqual({ shown: renewed.certificate, trust: both });
    expect(replica.lines.filter(({ message }) => message.includes('have yet to hear of'))).toHaveLength(1);

    const late = start(clock, [both]);
    await late.becomes({ shown: second.certificate, trust: both });
    await clock.advanceAsync(hourMs / 2);
    expect(replica.state()).toEqual({ shown: second.certificate, trust: both });
    await clock.advanceAsync(hourMs);
    expect(replica.state()).toEqual({ shown: second.certificate, trust: secondCa.certificate });
    expect(late.state().trust).toBe(both);
    await clock.advanceAsync(hourMs);
    expect(late.state().trust).toBe(secondCa.certificate);
    expect(JSON.stringify([replica.lines, late.lines])).not.toContain('PRIVATE KEY');
    await Promise.all([replica.end(), late.end()]);
  });

  it('keeps the last good CA', async () => {
    const clock = new FakeClock();
    const pair = selfSigned();
    await write(pair, pair.certificate);
    const replica = start(clock);
    await replica.becomes({ shown: pair.certificate, trust: pair.certificate });
    await writeFile(pathsOf().ca, 'nothing');
    await eventually(async () => {
      await clock.advanceAsync(10_000);
      expect(replica.lines.map(({ message }) => message)).toContain('The CA cannot be used; the last good one stays');
    });
    expect(replica.state()).toEqual({ shown: pair.certificate, trust: pair.certificate });
    await replica.end();
  });

  it('tells nobody of a CA before it knows whom they believe', async () => {
    const clock = new FakeClock();
    const pair = selfSigned();
    await write(pair, pair.certificate);
    const told = Promise.withResolvers<string[]>();
    const authority = createFileAuthority({
      ...{ files: pathsOf(), overlapMs: hourMs, published: () => told.promise },
      ...{ clock, logger: logInto([]), registry: new Registry() },
    });
    const stop = new AbortController();
    const runs = authority.parts.map((part) => part.start(stop.signal));
    await eventually(() => expect(authority.certificates.current).toEqual(pair));
    expect(authority.trust.current).toBeUndefined();
    const other = selfSigned();
    told.resolve([other.certificate]);
    await eventually(() => expect(untimed(authority.trust.current)).toBe(`${pair.certificate}${other.certificate}`));
    stop.abort();
    await Promise.all(runs);
  });

  it('needs a CA at the start', async () => {
    const create = () =>
      createFileAuthority({
        ...{ files: pathsOf(), overlapMs: hourMs, published: async () => [] },
        ...{ clock: new FakeClock(), logger: logInto([]), registry: new Registry() },
      });
    expect(create).toThrow('ca.crt');
    await writeFile(pathsOf().ca, 'nothing');
    expect(create).toThrow(`${pathsOf().ca}: no certificate in PEM`);
  });
});
