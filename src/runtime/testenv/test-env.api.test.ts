import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect, it } from 'vitest';
import { RestClient } from '../client/rest-client.ts';
import { describeApi } from '../testing/describe-api.ts';
import { widgetCrd } from '../testing/kubernetes-kinds.ts';
import { startTestEnv, type TestEnv } from './test-env.ts';

describeApi('the test environment', (env) => {
  const whoIs = async (kubeConfig: TestEnv['kubeConfig']) => {
    const rest = new RestClient({ kubeConfig });
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
    const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
    const { status } = await rest.request<{ status: { userInfo: { username: string; groups: string[] } } }>({
      method: 'POST',
      path,
      body,
    });
    rest.close();
    return status.userInfo;
  };

  it('knows its users by certificate and service accounts by token', async () => {
    expect(await whoIs(env().kubeConfig)).toMatchObject({
      username: 'admin',
      groups: ['system:masters', 'system:authenticated'],
    });
    const groups = ['team/a', 'b=c'];
    expect(await whoIs(await env().createUser('jane', groups))).toMatchObject({
      username: 'jane',
      groups: [...groups, 'system:authenticated'],
    });
    const account = await env().createServiceAccount('accounts', 'worker');
    expect(await whoIs(account)).toMatchObject({ username: 'system:serviceaccount:accounts:worker' });
  });

  it('allows by RBAC only', async () => {
    const rest = new RestClient({ kubeConfig: await env().createUser('john') });
    await expect(rest.request({ path: '/api/v1/nodes' })).rejects.toThrow(/403 Forbidden.*"list" on nodes/);
    rest.close();
  });

  it('installs CRDs so that they are served at once, and twice', async () => {
    await env().installCrds([widgetCrd]);
    expect(await env().rest.request({ path: '/apis/example.com/v1/widgets' })).toMatchObject({ kind: 'WidgetList', items: [] });
    await env().installCrds([widgetCrd]);
  });

  it('keeps its address and its data when the API server is killed and started again', async () => {
    const url = env().url;
    await env().rest.request({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: 'kept' } } });
    await env().killApiServer();
    await expect(env().rest.request({ path: '/version', maxRetries: 0 })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await env().restartApiServer();
    expect(env().url).toBe(url);
    expect(await env().rest.request({ path: '/api/v1/namespaces/kept' })).toMatchObject({ metadata: { name: 'kept' } });
  }, 60_000);

  it('leaves nothing behind, and says why it did not start', async () => {
    const failed = await startTestEnv({ apiServerFlags: ['--no-such-flag'] }).catch((error: Error) => error);
    expect(String(failed)).toMatch(/kube-apiserver ended with exit code 1; the end of its log:.*no-such-flag/s);
    const directory = dirname(env().kubeConfigFile);
    expect(existsSync(env().kubeConfigFile)).toBe(true);
    const ours = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => line.includes('no-such-flag'));
    expect(ours).toEqual([]);
    await env().stop();
    expect(existsSync(directory)).toBe(false);
  });
});
