import { type Authority, type TrustSource, waitForCertificate } from './authority/authority.ts';
import { secretKind } from './authority/authority-secret.ts';
import type { AuthorityTimes } from './authority/authority-times.ts';
import { believedCheck } from './authority/believed-check.ts';
import { BundleAddition } from './authority/bundle-addition.ts';
import { bundlesOf, CaBundle, mutatingWebhookKind, validatingWebhookKind } from './authority/ca-bundle.ts';
import { type AuthorityFiles, createFileAuthority } from './authority/file-authority.ts';
import { MissingSecret } from './authority/missing-secret.ts';
import { configMapKind, RootConfigMap } from './authority/root-config-map.ts';
import { SecretAuthority } from './authority/secret-authority.ts';
import { SecretRotation } from './authority/secret-rotation.ts';
import { ToldTrust } from './authority/told-trust.ts';
import { aborted } from './runtime/abort.ts';
import { informerSource } from './runtime/cache/informer-source.ts';
import { Controller } from './runtime/controller.ts';
import { enqueueRequestForObject, enqueueRequestsFromMapFunc } from './runtime/event-handler.ts';
import type { Manager } from './runtime/manager/manager.ts';
import type { ObjectName } from './runtime/object.ts';
import type { Reconciler } from './runtime/reconciler.ts';
import type { ResourceKind } from './runtime/resource-kind.ts';
import { KubernetesCacheSource, watchedKind } from './sources/kubernetes/kubernetes-cache-source.ts';
import type { InjectedNamespaces } from './webhooks/admission/injected-namespaces.ts';

/** Who vouches for the control plane, and where that is told. */
export interface TrustOptions {
  /** Weft's own authority in a Secret of its namespace, or what others keep in files. */
  readonly issuer:
    | {
        readonly type: 'secret';
        /** The name of the Secret. */
        readonly secretName: string;
        readonly times: AuthorityTimes;
        /** DNS names and IP addresses of the servers. */
        readonly names: readonly string[];
      }
    | {
        readonly type: 'files';
        readonly files: AuthorityFiles;
        /** How long another CA is told of before a certificate of it is shown, and how long the former one is believed after that. */
        readonly overlapMs: number;
      };
  /** The name of the Mutating- and the ValidatingWebhookConfiguration whose `caBundle` is kept. */
  readonly webhookConfiguration: string;
  /** The ConfigMap by which pods get the CA, in each namespace that has injected ones. */
  readonly rootConfigMap: { readonly name: string; readonly key: string };
}

/** Gives the manager everything that the authority needs: what follows it on every replica, and what the leader does for it. */
export function addTrust(manager: Manager, namespace: string, options: TrustOptions, injected: InjectedNamespaces): Authority {
  const { cache, rest, clock, logger, registry } = manager;
  const { issuer, webhookConfiguration, rootConfigMap } = options;
  const named = (name: string) => ({ fieldSelector: `metadata.name=${name}` });
  const source = new KubernetesCacheSource({
    ...{ rest, cache, logger, clock },
    kinds: [
      ...(issuer.type === 'secret' ? [watchedKind({ kind: secretKind, namespace, ...named(issuer.secretName) })] : []),
      watchedKind({ kind: mutatingWebhookKind, ...named(webhookConfiguration) }),
      watchedKind({ kind: validatingWebhookKind, ...named(webhookConfiguration) }),
      watchedKind({ kind: configMapKind, ...named(rootConfigMap.name) }),
    ],
  });
  // Nothing that serves the mesh waits for these: the first certificate comes from a leader, who is elected after the first lists.
  manager.add({ name: 'source of the authority', group: 'cache', start: (signal) => source.start(signal) });

  const configurations = [mutatingWebhookKind, validatingWebhookKind].map((kind) => ({ kind, store: cache.store(kind) }));
  const stores = configurations.map(({ store }) => store);
  let own: Authority;
  if (issuer.type === 'files') {
    // Not from the ConfigMaps: whoever may write in one namespace would be believed in all of them.
    const published = async (signal: AbortSignal) => {
      await Promise.all(stores.map((store) => store.waitForSync(signal)));
      return stores.flatMap((store) => bundlesOf(store.get(webhookConfiguration)));
    };
    const files = createFileAuthority({ ...issuer, published, clock, logger, registry });
    for (const part of files.parts) manager.add(part);
    own = files;
  } else {
    const secret = `${namespace}/${issuer.secretName}`;
    const store = cache.store(secretKind);
    const shared = new SecretAuthority({ store, secret, logger });
    manager.add({ name: 'authority', group: 'server', start: (signal) => aborted(signal).then(() => shared.close()) });
    const rotation = () => new SecretRotation({ client: manager.client, store, authority: shared, clock, ...issuer });
    const first = () => [secret];
    addDuty(manager, { name: 'authority', kind: secretKind, reconciler: rotation, first });
    const provision = () => new MissingSecret({ store, rotation: rotation(), clock });
    addDuty(manager, { name: 'missing authority', group: 'everyReplica', kind: secretKind, reconciler: provision, first });
    own = shared;
  }
  const overlapMs = issuer.type === 'files' ? issuer.overlapMs : issuer.times.caOverlapMs;
  const trust = new ToldTrust({ own: own.trust, stores, name: webhookConfiguration, overlapMs, clock });
  manager.add(trust);
  const authority: Authority = { certificates: own.certificates, trust };
  for (const { kind, store } of configurations) {
    const shared = { kind, store, client: manager.client, clock };
    const first = () => [webhookConfiguration];
    const keep = () => new CaBundle({ ...shared, trust });
    addDuty(manager, { name: `caBundle of ${kind.plural}`, kind, reconciler: keep, first, changes: [trust] });
    const add = () => new BundleAddition({ ...shared, authority: own });
    const changes = [own.trust, own.certificates];
    addDuty(manager, {
      ...{ name: `own CA in ${kind.plural}`, group: 'everyReplica', kind, reconciler: add, first, changes },
    });
  }
  addRootConfigMaps(manager, rootConfigMap, trust, injected);
  manager.addReadyzCheck('certificate', () => {
    if (!authority.certificates.current)
      throw new Error(`there is no certificate to serve with yet: ${describe(issuer, namespace)}`);
  });
  const byKind = new Map(configurations.map(({ kind, store }) => [kind, store]));
  manager.addReadyzCheck('caBundle', believedCheck({ stores: byKind, name: webhookConfiguration, authority }));
  return authority;
}

/** Opens a server when there is a certificate to show: until then a client had better find no one. */
export async function certified(authority: Authority, signal: AbortSignal): Promise<Authority['certificates']> {
  await waitForCertificate(authority.certificates, signal);
  return authority.certificates;
}

function addRootConfigMaps(
  manager: Manager,
  { name, key }: TrustOptions['rootConfigMap'],
  trust: TrustSource,
  injected: InjectedNamespaces,
): void {
  const { cache, client, clock } = manager;
  const store = cache.store(configMapKind);
  const needsRoot = (namespace: string) => injected.includes(namespace);
  addDuty(manager, {
    name: 'root certificate',
    kind: configMapKind,
    toNames: ({ namespace }) => [namespace],
    reconciler: () => new RootConfigMap({ name, key, store, client, trust, needsRoot, clock }),
    first: () => injected.list(),
    changes: [trust],
    joined: (enqueue) => injected.onChange(enqueue),
  });
}

interface Duty {
  readonly name: string;
  /** Default: the leader's, from its election on. */
  readonly group?: 'leader' | 'everyReplica';
  /** Whose objects are watched; the cache holds just those that matter. */
  readonly kind: ResourceKind;
  /** What to reconcile when one of them changes. Default: it. */
  readonly toNames?: (metadata: { readonly namespace: string; readonly name: string }) => ObjectName[];
  /** Made anew for each term of leadership. */
  readonly reconciler: () => Reconciler;
  /** What to reconcile at the beginning, whether it is there or not; asked again at each use. */
  readonly first: () => Iterable<ObjectName>;
  /** When one of these changes, all of {@link first} is reconciled again. */
  readonly changes?: readonly { onChange(listener: () => void): () => void }[];
  /** Other reasons to reconcile; the returned function ends that. */
  readonly joined?: (enqueue: (name: ObjectName) => void) => () => void;
}

/** A controller that begins when what it reads is there, however long that takes. */
function addDuty(manager: Manager, duty: Duty): void {
  const { name, group = 'leader', kind, toNames, reconciler, first, changes = [], joined } = duty;
  const { cache, clock, logger, registry } = manager;
  manager.add({
    ...{ name, group },
    async start(signal) {
      const synced = cache.store(kind).waitForSync(signal);
      await synced.catch(() => {});
      if (signal.aborted) return;
      const controller = new Controller({ name, group, reconciler: reconciler(), clock, logger, registry });
      const handler = toNames ? enqueueRequestsFromMapFunc(({ metadata }) => toNames(metadata)) : enqueueRequestForObject;
      controller.watch(informerSource(cache, kind), handler);
      const enqueue = (each: ObjectName) => controller.enqueue(each);
      const enqueueAll = () => {
        for (const each of first()) enqueue(each);
      };
      const ends = [...changes.map((each) => each.onChange(enqueueAll)), joined?.(enqueue)];
      enqueueAll();
      await controller.start(signal);
      for (const end of ends) end?.();
    },
  });
}

function describe(issuer: TrustOptions['issuer'], namespace: string): string {
  if (issuer.type === 'files') return `${issuer.files.certificate} was not read`;
  return `nobody has made Secret ${namespace}/${issuer.secretName}`;
}
