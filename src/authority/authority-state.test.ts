import { X509Certificate } from 'node:crypto';
import { connect, createServer } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { type AuthorityState, advance, type PartialState, type RotationRequest, trustBundle } from './authority-state.ts';
import { isFor, isIssuedBy, issueCa, issueServing, validityOf } from './certificate.ts';

const hourMs = 3_600_000;
const times = { caLifetimeMs: 3000 * hourMs, certificateLifetimeMs: 300 * hourMs, caOverlapMs: 10 * hourMs };
const names = ['weft.weft-system.svc', '127.0.0.1', '::1'];
const startMs = Date.UTC(2026, 0, 1);

const step = (present: PartialState, nowMs: number, requested?: RotationRequest) =>
  advance(present, { nowMs, times, names, ...(requested && { requested }) });

const blocks = (state: AuthorityState) => trustBundle(state).match(/BEGIN CERTIFICATE/g)!.length;

describe('the authority', () => {
  it('begins with a CA and a certificate that is for every name', async () => {
    const { state, changes, dueAtMs } = await step({}, startMs);
    expect(changes).toEqual(['a new authority was made', 'a new serving certificate was issued']);
    const [ca, serving] = [new X509Certificate(state.ca.certificate), new X509Certificate(state.serving.certificate)];
    expect(ca.ca).toBe(true);
    expect(serving.ca).toBe(false);
    expect(serving.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
    expect(isIssuedBy(state.serving.certificate, state.ca.certificate)).toBe(true);
    expect(isFor(state.serving.certificate, names)).toBe(true);
    expect(isFor(state.serving.certificate, ['other.weft-system.svc'])).toBe(false);
    expect(validityOf(state.serving.certificate)).toEqual({ issuedAtMs: startMs, expiresAtMs: startMs + 300 * hourMs });
    expect(dueAtMs).toBe(startMs + 200 * hourMs);
    expect(blocks(state)).toBe(1);
  });

  it('does nothing before two thirds of a certificate’s time are over, and then issues another of the same CA', async () => {
    const first = (await step({}, startMs)).state;
    const before = await step(first, startMs + 200 * hourMs - 1000);
    expect(before).toMatchObject({ state: first, changes: [] });
    const { state, changes } = await step(first, startMs + 200 * hourMs);
    expect(changes).toEqual(['a new serving certificate was issued']);
    expect(state.ca).toBe(first.ca);
    expect(state.serving.certificate).not.toBe(first.serving.certificate);
  });

  it('issues another certificate when it is asked, or the names have changed', async () => {
    const first = (await step({}, startMs)).state;
    expect((await step(first, startMs + 1, 'certificate')).changes).toEqual(['a new serving certificate was issued']);
    const renamed = await advance(first, { nowMs: startMs + 1, times, names: [...names, 'weft.other.svc'] });
    expect(isFor(renamed.state.serving.certificate, ['weft.other.svc'])).toBe(true);
    const fewer = await advance(first, { nowMs: startMs + 1, times, names: names.slice(1) });
    expect(fewer.changes).toEqual([]);
  });

  it.each([
    ['when two thirds of its time are over', undefined, startMs + 2000 * hourMs],
    ['when it is asked', 'ca', startMs + hourMs],
  ] as const)('replaces its CA in three steps %s', async (_, requested, nowMs) => {
    const first = (await step({ ...(await step({}, startMs)).state }, nowMs - hourMs)).state;
    const announced = await step(first, nowMs, requested);
    expect(announced.changes).toContain('the next authority was made; it is trusted from now on');
    expect(announced.state.ca).toBe(first.ca);
    expect(isIssuedBy(announced.state.serving.certificate, first.ca.certificate)).toBe(true);
    expect(blocks(announced.state)).toBe(2);

    const promotionMs = nowMs + 10 * hourMs;
    expect(announced.dueAtMs).toBe(promotionMs);
    expect((await step(announced.state, promotionMs - 1000)).changes).toEqual([]);
    const promoted = await step(announced.state, promotionMs);
    expect(promoted.changes).toEqual(['the next authority issues from now on', 'a new serving certificate was issued']);
    expect(promoted.state.ca).toBe(announced.state.nextCa);
    expect(promoted.state.previousCa).toBe(first.ca.certificate);
    expect(isIssuedBy(promoted.state.serving.certificate, announced.state.nextCa!.certificate)).toBe(true);
    expect(new Set(trustBundle(promoted.state).split('-----END CERTIFICATE-----\n'))).toEqual(
      new Set(trustBundle(announced.state).split('-----END CERTIFICATE-----\n')),
    );

    const forgottenMs = promotionMs + 10 * hourMs;
    expect(promoted.dueAtMs).toBe(forgottenMs);
    const { state, changes } = await step(promoted.state, forgottenMs);
    expect(changes).toEqual(['the previous authority is trusted no more']);
    expect(blocks(state)).toBe(1);
  });

  it('asked twice for another CA, makes one', async () => {
    const announced = await step((await step({}, startMs)).state, startMs + 1, 'ca');
    const again = await step(announced.state, startMs + 2, 'ca');
    expect(again).toMatchObject({ state: announced.state, changes: [] });
  });

  it('issues by another CA at once when its own has ended while nobody was there', async () => {
    const first = (await step({}, startMs)).state;
    const lateMs = startMs + 3000 * hourMs;
    const { state } = await step(first, lateMs);
    expect(state.ca.certificate).not.toBe(first.ca.certificate);
    expect(isIssuedBy(state.serving.certificate, state.ca.certificate)).toBe(true);
    expect(validityOf(state.serving.certificate).issuedAtMs).toBe(lateMs);
    expect(blocks(state)).toBe(1);
  });

  it('keeps what is usable of a state that has lost a part', async () => {
    const first = (await step({}, startMs)).state;
    const noServing = await step({ ca: first.ca }, startMs + 1);
    expect(noServing.state.ca).toBe(first.ca);
    const foreign = (await step({}, startMs)).state.serving;
    expect((await step({ ca: first.ca, serving: foreign }, startMs + 1)).changes).toEqual([
      'a new serving certificate was issued',
    ]);
    const announced = (await step(first, startMs + 1, 'ca')).state;
    const { ca: _, ...rest } = announced;
    expect((await step(rest, startMs + 2)).state.ca).toBe(announced.nextCa);
  });

  it('never lets a certificate outlive its CA', async () => {
    const ca = await issueCa({ nowMs: startMs, lifetimeMs: hourMs });
    const serving = await issueServing(ca, { nowMs: startMs, lifetimeMs: 5 * hourMs, names });
    expect(validityOf(serving.certificate).expiresAtMs).toBe(startMs + hourMs);
  });

  it('is believed by TLS clients throughout a rotation, whichever bundle of the overlap they hold', async () => {
    const nowMs = Date.now();
    const first = (await step({}, nowMs - 20 * hourMs)).state;
    const announced = (await step(first, nowMs - 10 * hourMs, 'ca')).state;
    const promoted = (await step(announced, nowMs)).state;
    const verify = async (serving: AuthorityState, trusting: AuthorityState): Promise<boolean> => {
      const server = createServer({ cert: serving.serving.certificate, key: serving.serving.key });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as { port: number };
      const ok = await new Promise<boolean>((resolve) => {
        const socket = connect({ port, host: '127.0.0.1', ca: trustBundle(trusting), servername: names[0]! }, () => {
          socket.end();
          resolve(true);
        });
        socket.on('error', () => resolve(false));
      });
      await new Promise((resolve) => server.close(resolve));
      return ok;
    };
    expect(await verify(first, announced)).toBe(true);
    expect(await verify(announced, first)).toBe(true);
    expect(await verify(announced, promoted)).toBe(true);
    expect(await verify(promoted, announced)).toBe(true);
    expect(await verify(promoted, first)).toBe(false);
  });
});
