import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Review } from '../../xds/auth/token-reviewer.ts';
import { podTokens, sharedToken } from './replica-credential.ts';

describe('sharedToken', () => {
  it('believes the same one only', async () => {
    const { present, refuse } = sharedToken('shared');
    expect(await present()).toBe('shared');
    expect(await refuse('shared')).toBeUndefined();
    for (const other of ['', 'share', 'sharee', 'shared ']) expect(await refuse(other)).toMatch(/not that of this replica/);
  });

  it('is never empty', () => {
    expect(() => sharedToken('')).toThrow('it is empty');
  });
});

describe('podTokens', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-credential-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const claims = Buffer.from(JSON.stringify({ sub: 'system:serviceaccount:weft-system:weft' })).toString('base64url');
  const own = `e30.${claims}.x`;
  const credential = async (answer: Review | Error) => {
    const file = join(folder, 'token');
    await writeFile(file, `${own}\n`);
    const review = async () => {
      if (answer instanceof Error) throw answer;
      return answer;
    };
    return podTokens({ file, reviewer: { review } });
  };
  const of = (namespace: string, serviceAccount: string): Review => ({
    outcome: 'authenticated',
    identity: { namespace, serviceAccount, pod: { name: 'p', uid: 'u' } },
  });

  it('shows the pod’s own', async () => {
    expect(await (await credential(of('weft-system', 'weft'))).present()).toBe(own);
  });

  it('believes those of the same service account, and no other', async () => {
    expect(await (await credential(of('weft-system', 'weft'))).refuse('x')).toBeUndefined();
    expect(await (await credential(of('shop', 'weft'))).refuse('x')).toMatch(/system:serviceaccount:shop:weft's, which is not/);
    expect(await (await credential(of('weft-system', 'web'))).refuse('x')).toMatch(/which is not this operator's/);
  });

  it('says why the API server does not believe one, and fails where it cannot be asked', async () => {
    const refused: Review = { outcome: 'refused', reason: 'expired', message: 'the token expired' };
    expect(await (await credential(refused)).refuse('x')).toBe('the token expired');
    await expect((await credential(new Error('no API server'))).refuse('x')).rejects.toThrow('no API server');
  });
});
