import { meshKinds } from './api/index.ts';
import { kubernetesKinds } from './api/kubernetes/index.ts';
import { namespaceKind } from './api/kubernetes/namespace.ts';
import { secretKind } from './authority/authority-secret.ts';
import { mutatingWebhookKind, validatingWebhookKind } from './authority/ca-bundle.ts';
import { configMapKind } from './authority/root-config-map.ts';
import { type InstallationNames, namesOf } from './installation-names.ts';
import { eventKind } from './runtime/events/recorded-event.ts';
import { leaseKind } from './runtime/leader-election/lease.ts';
import type { ResourceKind } from './runtime/resource-kind.ts';
import { defaultInjectionConfig } from './webhooks/injector/config/injection-config.ts';

/**
 * What an installation may do without: status and Events, an authority in a Secret of its own, webhooks for pods, webhooks for the
 * mesh's objects.
 */
export type OptionalPart = 'status' | 'ownAuthority' | 'injectionWebhooks' | 'validationWebhook';

/** One permission of the operator, in a Role's words, and what needs it. */
export interface PermissionRule {
  /** Which part of the operator calls this, and to what end. */
  readonly reason: string;
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  /** Only these objects. */
  readonly resourceNames?: readonly string[];
  /** Not needed where this is switched off; absent: always needed. */
  readonly onlyFor?: OptionalPart;
}

/** The operator's permissions: everywhere, and in its own namespace. */
export interface Permissions {
  readonly cluster: readonly PermissionRule[];
  readonly namespace: readonly PermissionRule[];
}

/** What the operator calls those objects whose names its permissions are restricted to. */
type RestrictedNames = Pick<InstallationNames, 'lease' | 'authoritySecret' | 'webhookConfiguration'> & {
  /** By which pods get the CA. */
  readonly caConfigMap: string;
};

/** What the operator may do: all that it does, and nothing else. A test compares this with the requests that it makes. */
export const permissions: Permissions = permissionsOf({
  ...namesOf(),
  caConfigMap: defaultInjectionConfig.xds.caConfigMap,
});

/** The permissions of an operator that calls its objects so. */
export function permissionsOf({ lease, authoritySecret, webhookConfiguration, caConfigMap }: RestrictedNames): Permissions {
  return {
    cluster: [
      {
        reason: 'sources/kubernetes: the objects that the mesh is made from',
        ...resourcesOf(meshKinds),
        verbs: ['list', 'watch'],
      },
      {
        reason:
          'status: to read an object anew when its status was written by another meanwhile, and to hold up its deletion by a finalizer',
        ...resourcesOf(meshKinds),
        verbs: ['get', 'patch'],
        onlyFor: 'status',
      },
      {
        reason: 'status: how far each object has got',
        ...resourcesOf(meshKinds, 'status'),
        verbs: ['patch'],
        onlyFor: 'status',
      },
      {
        reason: 'status: Events about objects of any namespace, repeated ones counted in the first',
        ...resourcesOf([eventKind]),
        verbs: ['create', 'patch'],
        onlyFor: 'status',
      },
      {
        reason: 'xds/auth: whose pod a proxy’s token was issued to; the API server is asked, nothing is stored',
        apiGroups: ['authentication.k8s.io'],
        resources: ['tokenreviews'],
        verbs: ['create'],
      },
      {
        reason: 'authority: whom API servers have been told to believe, in caBundle of Weft’s own webhooks',
        ...resourcesOf([mutatingWebhookKind, validatingWebhookKind]),
        resourceNames: [webhookConfiguration],
        verbs: ['list', 'watch'],
      },
      ...([mutatingWebhookKind, validatingWebhookKind] as const).map((kind) => ({
        reason: 'authority: caBundle of Weft’s own webhooks, and no other field, kept as it has to be',
        ...resourcesOf([kind]),
        resourceNames: [webhookConfiguration],
        verbs: ['patch'],
        onlyFor: kind === mutatingWebhookKind ? ('injectionWebhooks' as const) : ('validationWebhook' as const),
      })),
      {
        reason:
          'authority: the CA for pods, in one ConfigMap of each namespace that has injected ones; applied, so that create has a name too',
        ...resourcesOf([configMapKind]),
        resourceNames: [caConfigMap],
        verbs: ['list', 'watch', 'create', 'patch'],
      },
      {
        reason: 'webhooks: the labels of a namespace, before a pod in it is left without a sidecar',
        ...resourcesOf([namespaceKind]),
        verbs: ['get'],
      },
      ...groupsOf(kubernetesKinds).map((kinds) => ({
        reason: 'sources/kubernetes: what the cluster runs, and where',
        ...resourcesOf(kinds),
        verbs: ['list', 'watch'],
      })),
    ],
    namespace: [
      {
        reason: 'runtime/leader-election: the Lease, made by the first replica; a name cannot restrict create',
        ...resourcesOf([leaseKind]),
        verbs: ['create'],
      },
      {
        reason: 'runtime/leader-election: to see who leads, and to lead',
        ...resourcesOf([leaseKind]),
        resourceNames: [lease],
        verbs: ['get', 'update'],
      },
      {
        reason: 'authority: the Secret that replicas share it in, made by the first replica; a name cannot restrict create',
        ...resourcesOf([secretKind]),
        verbs: ['create'],
        onlyFor: 'ownAuthority',
      },
      {
        reason: 'authority: to follow the Secret, and as the leader to replace what falls due',
        ...resourcesOf([secretKind]),
        resourceNames: [authoritySecret],
        verbs: ['list', 'watch', 'update'],
        onlyFor: 'ownAuthority',
      },
    ],
  };
}

/** What `weft release-objects` may do, in a Job of its own: see who has a finalizer, take it off, and have nobody lead meanwhile. */
export function releasePermissions({ lease }: Pick<RestrictedNames, 'lease'>): Permissions {
  return {
    cluster: [
      { reason: 'release-objects: to find finalizers, and take them off', ...resourcesOf(meshKinds), verbs: ['list', 'patch'] },
    ],
    namespace: [
      {
        reason: 'release-objects: the Lease, where no replica has made it; a name cannot restrict create',
        ...resourcesOf([leaseKind]),
        verbs: ['create'],
      },
      {
        reason: 'release-objects: so that no replica leads, and puts them on again',
        ...resourcesOf([leaseKind]),
        resourceNames: [lease],
        verbs: ['get', 'update'],
      },
    ],
  };
}

/** Where the manifest puts the operator, and what it calls things. */
export interface RbacNames {
  readonly name: string;
  readonly namespace: string;
}

/** ServiceAccount, ClusterRole, Role and their bindings, ready to be applied. */
export function rbacManifests({ name, namespace }: RbacNames, { cluster, namespace: own } = permissions): object[] {
  const rbac = (kind: string, metadata: object, rest: object) => ({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind,
    metadata,
    ...rest,
  });
  const subjects = [{ kind: 'ServiceAccount', name, namespace }];
  const roleRef = (kind: string) => ({ apiGroup: 'rbac.authorization.k8s.io', kind, name });
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } },
    rbac('ClusterRole', { name }, { rules: cluster.map(withoutReason) }),
    rbac('ClusterRoleBinding', { name }, { roleRef: roleRef('ClusterRole'), subjects }),
    rbac('Role', { name, namespace }, { rules: own.map(withoutReason) }),
    rbac('RoleBinding', { name, namespace }, { roleRef: roleRef('Role'), subjects }),
  ];
}

function withoutReason({ reason: _, onlyFor: __, ...rule }: PermissionRule): Omit<PermissionRule, 'reason' | 'onlyFor'> {
  return rule;
}

function resourcesOf(kinds: readonly ResourceKind[], subresource?: string) {
  const suffix = subresource === undefined ? '' : `/${subresource}`;
  return {
    apiGroups: [...new Set(kinds.map(({ group }) => group))],
    resources: kinds.map(({ plural }) => `${plural}${suffix}`),
  };
}

/** A rule allows each of its resources in each of its groups, so kinds of different groups need rules of their own. */
function groupsOf(kinds: readonly ResourceKind[]): ResourceKind[][] {
  return [...Map.groupBy(kinds, ({ group }) => group).values()];
}
