import { describe, expect, it } from 'vitest';
import { ConnectionError, toApiError } from '../client/api-error.ts';
import { describeRequest } from '../client/request-info.ts';
import { judgeProblem } from './reflector-problem.ts';

const request = describeRequest('GET', '/apis/a.io/v1/things', true);
const refused = (status: number, body: object = {}, retryAfter?: string) => toApiError(status, body, request, retryAfter);

describe('judgeProblem', () => {
  it.each([
    [400, 'relist'],
    [401, 'resume'],
    [403, 'relist'],
    [404, 'relist'],
    [408, 'resume'],
    [410, 'relist'],
    [429, 'resume'],
    [500, 'resume'],
    [503, 'resume'],
    [504, 'resume'],
  ] as const)('after %i it says to %s', (status, remedy) => {
    expect(judgeProblem(refused(status))).toMatchObject({ remedy, isMissing: status === 404, retryAfterMs: 0 });
  });

  it('lists anew when the API server has not got as far as the resource version', () => {
    const details = { causes: [{ reason: 'ResourceVersionTooLarge' }] };
    expect(judgeProblem(refused(504, { details })).remedy).toBe('relist');
  });

  it('keeps to the time that the API server names', () => {
    expect(judgeProblem(refused(429, {}, '7')).retryAfterMs).toBe(7_000);
    expect(judgeProblem(refused(503, { details: { retryAfterSeconds: 3 } })).retryAfterMs).toBe(3_000);
  });

  it('resumes after anything that is no answer', () => {
    for (const error of [new ConnectionError('x', 'ECONNRESET'), new Error('exec plugin failed'), 'x', undefined]) {
      expect(judgeProblem(error).remedy).toBe('resume');
    }
  });
});
