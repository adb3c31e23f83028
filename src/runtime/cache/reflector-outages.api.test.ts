import { afterEach, expect, it } from 'vitest';
import { describeApi } from '../testing/describe-api.ts';
import { eventually } from '../testing/eventually.ts';
import { widgetCrd } from '../testing/kubernetes-kinds.ts';
import type { Widget } from '../testing/objects.ts';
import { createReflectorWorld, type ReflectorWorld } from '../testing/reflector-world.ts';

describeApi('Reflector and an API server with faults of its own', (env) => {
  let world: ReflectorWorld;
  afterEach(() => world.stop());

  const crdPath = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com';
  const rbacPath = '/apis/rbac.authorization.k8s.io/v1';

  it('waits for a CRD that is not there, says which, and goes on when it comes; withdraws the objects when it goes', async () => {
    world = await createReflectorWorld(env(), 'missing', { goneAfterMs: 300 });
    const { reflector, store, log } = world;
    await world.start({ synced: false });
    await eventually(() => expect(reflector.status()).toMatchObject({ isMissing: true, phase: 'waiting' }));
    expect(store.hasSynced).toBe(false);
    expect(log.lines).toEqual([
      expect.stringMatching(
        /^warn The API server does not serve this kind; waiting until it does.*cannot list widgets\.example\.com/,
      ),
    ]);

    await env().installCrds([widgetCrd]);
    await eventually(() => expect(store.hasSynced).toBe(true));
    await world.write('a', '1');
    await eventually(() => expect(store.size).toBe(1));
    expect(reflector.status()).toMatchObject({ isMissing: false, problem: undefined });
    expect(log.lines.at(-1)).toMatch(/^info In step with the API server again/);

    const lost = world.proxy.inject({ type: 'lose', event: 'DELETED' });
    await env().rest.request({ method: 'DELETE', path: crdPath });
    await eventually(() => expect(reflector.status().isMissing).toBe(true));
    await eventually(() => expect(store.size).toBe(0));
    expect([lost.hits, world.events]).toEqual([1, ['create a', 'delete a unknown']]);
    lost.remove();

    await env().installCrds([widgetCrd]);
    await world.write('b', '1');
    await eventually(() => expect(store.get('missing/b')).toBeDefined());
    await world.settle();
  });

  it('says which permission is missing, for each verb, and goes on when it is granted', async () => {
    const user = await env().createUser('reader');
    world = await createReflectorWorld(env(), 'forbidden', { user });
    const { reflector, store, log } = world;
    const grant = async (...verbs: string[]) => {
      const rule = { apiGroups: ['example.com'], resources: ['widgets'], verbs };
      await env().rest.request({
        method: 'PATCH',
        path: `${rbacPath}/clusterroles/reader`,
        query: { fieldManager: 'test', force: true },
        contentType: 'application/apply-patch+yaml',
        body: { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name: 'reader' }, rules: [rule] },
      });
    };
    await grant('get');
    const subjects = [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'reader' }];
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'reader' };
    const body = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: 'reader' },
      subjects,
      roleRef,
    };
    await env().rest.request({ method: 'POST', path: `${rbacPath}/clusterrolebindings`, body });

    await world.start({ synced: false });
    await eventually(() =>
      expect(reflector.status().problem).toContain('grant this user the verb "list" on widgets.example.com'),
    );
    expect(log.lines[0]).toContain('The API server does not permit this');
    await grant('get', 'list');
    await eventually(() =>
      expect(reflector.status().problem).toContain('grant this user the verb "watch" on widgets.example.com'),
    );
    expect(store.hasSynced).toBe(true);
    await grant('get', 'list', 'watch');
    await eventually(() => expect(reflector.status()).toMatchObject({ phase: 'watching', problem: undefined }));
    await world.write('a', '1');
    await eventually(() => expect(store.size).toBe(1));
  });

  it('survives an API server that restarts, is killed, and stands still', async () => {
    world = await createReflectorWorld(env(), 'restart', { silenceMs: 1_000 });
    await world.write('a', '1');
    await world.write('b', '1');
    await world.start();

    await env().restartApiServer();
    await world.write('a', '2');
    await world.remove('b');
    await world.settle();

    await env().killApiServer();
    await eventually(() => expect(world.reflector.status().phase).toBe('waiting'));
    await env().restartApiServer();
    await world.write('c', '1');
    await world.settle();

    env().pauseApiServer();
    await eventually(() => expect(world.reflector.status().problem).toMatch(/no answer from .* within/));
    env().resumeApiServer();
    await world.write('d', '1');
    await world.settle();
    expect(world.events.filter((event) => event.endsWith(' d'))).toEqual(['create d']);
  }, 60_000);

  it('keeps what its transform makes of each object, and of a failed one what was there before', async () => {
    const transform = ({ spec: { value }, ...object }: Widget): Widget | undefined => {
      if (value === 'bad') throw new Error('no such value');
      return value === 'unwanted' ? undefined : { ...object, spec: { value: value.toUpperCase() } };
    };
    world = await createReflectorWorld(env(), 'transform', { transform });
    const { store, log } = world;
    await world.write('unwanted', 'unwanted');
    await world.write('a', 'x', { app: 'a' });
    await world.start();
    expect(store.list().map(({ spec }) => spec.value)).toEqual(['X']);
    const { metadata } = store.get('transform/a')!;
    expect(Object.keys(metadata).sort()).toEqual(
      ['creationTimestamp', 'generation', 'labels', 'name', 'namespace', 'resourceVersion', 'uid'].sort(),
    );

    await world.write('a', 'bad', { app: 'a' });
    await world.write('marker', 'y');
    await eventually(() => expect(store.size).toBe(2));
    expect(store.get('transform/a')?.spec.value).toBe('X');
    expect(log.lines).toEqual([expect.stringMatching(/^error The transform of a kind failed/)]);

    await world.write('marker', 'unwanted');
    await eventually(() => expect(store.size).toBe(1));
  });

  it('asks only for objects that its selectors match', async () => {
    const labelSelector = { matchLabels: { app: 'a' }, matchExpressions: [{ key: 'hidden', operator: 'DoesNotExist' as const }] };
    world = await createReflectorWorld(env(), 'selectors', { labelSelector });
    const { store, events } = world;
    await world.write('a', '1', { app: 'a' });
    await world.write('b', '1', { app: 'b' });
    await world.start();
    expect(store.size).toBe(1);
    await world.write('b', '1', { app: 'a' });
    await world.write('a', '1', { app: 'a', hidden: 'yes' });
    await eventually(() => expect(events).toEqual(['create a', 'create b', 'delete a']));
  });
});
