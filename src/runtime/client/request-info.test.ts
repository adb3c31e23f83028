import { describe, expect, it } from 'vitest';
import { describeRequest, formatRequest } from './request-info.ts';

describe('describeRequest', () => {
  it.each([
    ['GET', '/api/v1/pods', false, 'list pods'],
    ['GET', '/api/v1/pods', true, 'watch pods'],
    ['GET', '/api/v1/namespaces/n/pods', false, 'list pods in n'],
    ['GET', '/api/v1/namespaces/n/pods/p', false, 'get pods n/p'],
    ['GET', '/api/v1/namespaces', false, 'list namespaces'],
    ['GET', '/api/v1/namespaces/n', false, 'get namespaces n'],
    ['PUT', '/api/v1/namespaces/n/finalize', false, 'update namespaces/finalize n'],
    ['POST', '/apis/a.io/v1/namespaces/n/things', false, 'create things.a.io in n'],
    ['PATCH', '/apis/a.io/v1/namespaces/n/things/t/status', false, 'patch things.a.io/status n/t'],
    ['DELETE', '/apis/a.io/v1/things/t', false, 'delete things.a.io t'],
    ['DELETE', '/apis/a.io/v1/namespaces/n/things', false, 'deletecollection things.a.io in n'],
    ['GET', '/apis/a.io/v1', false, 'get /apis/a.io/v1'],
    ['GET', '/readyz', false, 'get /readyz'],
  ] as const)('%s %s (watch: %s) is "%s"', (method, path, isWatch, text) => {
    expect(formatRequest(describeRequest(method, path, isWatch))).toBe(text);
  });
});
