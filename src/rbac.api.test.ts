import type { KubeConfig } from '@kubernetes/client-node';
import { beforeAll, expect, it, vi } from 'vitest';
import { envoyFilterKind, serviceEntryKind, sidecarKind, workloadEntryKind } from './api/index.ts';
import { type PermissionRule, type Permissions, permissions, rbacManifests } from './rbac.ts';
import { objectPath, resourcePath } from './runtime/client/resource-path.ts';
import type { ResourceKind } from './runtime/resource-kind.ts';
import { startFaultProxy } from './runtime/testenv/fault-proxy.ts';
import { describeApi } from './runtime/testing/describe-api.ts';
import { eventually } from './runtime/testing/eventually.ts';
import { waitForWithdrawalAnnotation } from './status/withdrawal.ts';
import { runSecureOperator, type SecureOperator } from './testing/secure-operator.ts';
import { makeSecurityWork, type SecurityWork } from './testing/security-work.ts';

/** One verb on one resource, as a Role may grant it: `list pods`. */
interface Grant {
  readonly rule: PermissionRule;
  readonly resource: string;
  readonly verb: string;
  /** As requests name it: `leases.coordination.k8s.io`. */
  readonly fullName: string;
}

const grants = [...permissions.cluster, ...permissions.namespace].flatMap((rule) =>
  rule.apiGroups.flatMap((group) =>
    rule.resources.flatMap((resource) =>
      rule.verbs.map((verb): Grant => ({ rule, resource, verb, fullName: nameOf(resource, group) })),
    ),
  ),
);

/** A spec for each kind; the ServiceEntry's got past the schema and is invalid nevertheless. */
const specs: readonly { readonly kind: ResourceKind; readonly spec: object }[] = [
  {
    kind: serviceEntryKind,
    spec: {
      hosts: ['a.example.com'],
      ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
      resolution: 'STATIC',
      endpoints: [{ address: 'not-an-address.example.com' }],
    },
  },
  { kind: sidecarKind, spec: { egress: [{ hosts: ['./*'] }] } },
  { kind: workloadEntryKind, spec: { address: '192.0.2.1' } },
  {
    kind: envoyFilterKind,
    spec: { configPatches: [{ applyTo: 'CLUSTER', patch: { operation: 'MERGE', value: { connect_timeout: '3s' } } }] },
  },
];

function nameOf(resource: string, group: string): string {
  const [plural, subresource] = resource.split('/');
  return `${plural}${group === '' ? '' : `.${group}`}${subresource === undefined ? '' : `/${subresource}`}`;
}

describeApi(
  'the generated role',
  (env) => {
    let account: KubeConfig;
    let securityWork: SecurityWork;

    /** Puts roles in force; resolves when the API server has them all. */
    const grant = async (granted: Permissions): Promise<void> => {
      for (const manifest of rbacManifests({ name: 'weft', namespace: 'weft-system' }, granted)) {
        const { kind, metadata } = manifest as { kind: string; metadata: { name: string; namespace?: string } };
        if (kind === 'ServiceAccount') continue;
        const plural = `${kind.toLowerCase()}s`;
        const namespace = metadata.namespace ? `/namespaces/${metadata.namespace}` : '';
        const path = `/apis/rbac.authorization.k8s.io/v1${namespace}/${plural}/${metadata.name}`;
        const query = { fieldManager: 'test', force: true };
        await env().rest.request({ method: 'PATCH', path, query, body: manifest, contentType: 'application/apply-patch+yaml' });
      }
    };

    /** Whether the authorizer has yet to hear of the roles' change. */
    const mayStill = async ({ rule, resource, verb }: Grant): Promise<boolean> => {
      const [plural, subresource = ''] = resource.split('/');
      const spec = {
        user: 'system:serviceaccount:weft-system:weft',
        resourceAttributes: {
          ...{ group: rule.apiGroups[0], resource: plural, subresource, verb },
          ...{ namespace: 'weft-system', name: rule.resourceNames?.[0] ?? '' },
        },
      };
      const path = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
      const review = await env().rest.request<{ status: { allowed: boolean } }>({ method: 'POST', path, body: { spec } });
      return review.status.allowed;
    };

    beforeAll(async () => {
      account = await env().createServiceAccount('weft-system', 'weft');
      securityWork = await makeSecurityWork(env().rest);
    });

    /** An object of each kind that gives an operator everything to do: a status to write, a finalizer, an Event that repeats. */
    const makeWork = async (): Promise<void> => {
      const name = `work-${++round}`;
      const annotations = { [waitForWithdrawalAnnotation]: 'true' };
      for (const { kind, spec } of specs) {
        const body = { apiVersion: `${kind.group}/${kind.version}`, kind: kind.kind, metadata: { name, annotations }, spec };
        await env().rest.request({ method: 'POST', path: resourcePath(kind, 'default'), body });
      }
    };
    /** The same fault in new generations until the assertion holds: what comes too fast is told as one. */
    const repeatFault = async (assertion: () => void): Promise<void> => {
      const path = objectPath(serviceEntryKind, `default/work-${round}`);
      let times = 0;
      const repeat = async () => {
        const body = { spec: { exportTo: [times++ % 2 === 0 ? '.' : '*'] } };
        await env().rest.request({ method: 'PATCH', path, body, contentType: 'application/merge-patch+json' });
        await vi.waitFor(assertion, { timeout: 1_500, interval: 10 });
      };
      await vi.waitFor(repeat, { timeout: 20_000 });
    };
    let round = 0;

    /** Runs an operator as the account, on a connection where the first status of each kind meets a conflict. */
    const watched = async (body: (operator: SecureOperator, made: ReadonlySet<string>) => Promise<void>): Promise<void> => {
      const proxy = await startFaultProxy(account);
      const made = new Set<string>();
      const note = ({ verb, resource }: { verb: string; resource: string }) => {
        // Paths that are no resources, such as /version, are for every account.
        if (!resource.startsWith('/')) made.add(`${verb} ${resource}`);
        return false;
      };
      proxy.inject({ type: 'hang', match: note });
      for (const { kind } of specs) {
        const written = nameOf(`${kind.plural}/status`, kind.group);
        proxy.inject({
          type: 'status',
          status: 409,
          times: 1,
          match: ({ verb, resource }) => verb === 'patch' && resource === written,
        });
      }
      await securityWork.prepare();
      const operator = await runSecureOperator(proxy.kubeConfig);
      const endWork = securityWork.poke(operator);
      try {
        await body(operator, made);
      } finally {
        endWork();
        await operator.stop();
        await proxy.stop();
      }
    };

    it('allows every request that the operator makes, and nothing that it does not', async () => {
      await grant(permissions);
      await makeWork();
      await watched(async (operator, made) => {
        await operator.served;
        // The API server asks for it when an apply makes the object; no request names it.
        const implied = 'create configmaps';
        const wanted = grants
          .map(({ verb, fullName }) => `${verb} ${fullName}`)
          .filter((each) => each !== implied)
          .toSorted();
        await eventually(() => expect(made).toContain('create events.events.k8s.io'));
        await repeatFault(() => expect([...made].toSorted()).toEqual(wanted));
        expect(operator.lines.filter(({ fields }) => textOf(fields).includes('403'))).toEqual([]);
      });
    });

    it.each(grants.map((grant): [string, Grant] => [`${grant.verb} ${grant.fullName}`, grant]))(
      'without %s, the operator says just that',
      async (_, missing) => {
        const without = (rules: readonly PermissionRule[]) => rules.flatMap((rule) => takeAway(rule, missing));
        await env().rest.request({
          method: 'DELETE',
          path: '/apis/coordination.k8s.io/v1/namespaces/weft-system/leases',
        });
        await grant({ cluster: without(permissions.cluster), namespace: without(permissions.namespace) });
        await eventually(async () => expect(await mayStill(missing)).toBe(false));
        await makeWork();
        await watched(async (operator, made) => {
          const remedy = `grant this user the verb "${missing.verb}" on ${missing.fullName} in a Role or ClusterRole`;
          const isSaid = () => expect(operator.lines.filter(({ fields }) => textOf(fields).includes(remedy))).not.toEqual([]);
          if (missing.fullName === 'events.events.k8s.io' && missing.verb === 'patch') {
            await eventually(() => expect(made).toContain('create events.events.k8s.io'));
            await repeatFault(isSaid);
          } else await eventually(isSaid);
        });
      },
    );
  },
  { crdPaths: ['crds'] },
);

/** The rule without one verb on one resource: up to two rules. */
function takeAway(rule: PermissionRule, { rule: from, resource, verb }: Grant): PermissionRule[] {
  if (rule !== from) return [rule];
  const others = { ...rule, resources: rule.resources.filter((name) => name !== resource) };
  const less = { ...rule, resources: [resource], verbs: rule.verbs.filter((name) => name !== verb) };
  return [others, less].filter(({ resources, verbs }) => resources.length > 0 && verbs.length > 0);
}

function textOf(fields: Readonly<Record<string, unknown>>): string {
  return Object.values(fields)
    .map((value) => (value instanceof Error ? value.message : String(value)))
    .join(' ');
}
