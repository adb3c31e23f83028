import type { LabelSelector } from '../../api/label-selector.ts';
import { matchesSelector } from '../../runtime/cache/label-selector.ts';
import { InjectionRefusal, type InjectionRequest } from './injection.ts';

/** Whether a pod gets a sidecar, the policy that said so, and why in words. */
export interface InjectionDecision {
  readonly inject: boolean;
  readonly policy: string;
  readonly reason: string;
}

type Verdict = Omit<InjectionDecision, 'policy'>;

/** What the policies look at. */
interface Facts {
  readonly request: InjectionRequest;
  readonly namespaceLabels: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

const injectKey = 'sidecar.istio.io/inject';
const revisionKey = 'istio.io/rev';
const namespaceKey = 'istio-injection';

/**
 * The policies in the order in which they are asked; the first that has something to say decides. Those up to `unlabelled` are what
 * Istio has in the selectors of its webhooks, the rest is what it decides in the webhook.
 */
const policies: readonly (readonly [name: string, policy: (facts: Facts) => Verdict | undefined])[] = [
  ['host-network', hostNetwork],
  ['windows', windows],
  ['ignored-namespace', ignoredNamespace],
  ['namespace-label', namespaceLabel],
  ['namespace-revision', namespaceRevision],
  ['pod-revision', podRevision],
  ['unlabelled', unlabelled],
  ['pod-label', podLabel],
  ['pod-annotation', podAnnotation],
  ['never-inject-selector', neverSelector],
  ['always-inject-selector', alwaysSelector],
  ['default', defaultPolicy],
];

/** Decides whether a pod is injected. Throws an {@link InjectionRefusal} on a value of the inject label or annotation that is none. */
export function decideInjection(request: InjectionRequest): InjectionDecision {
  const { labels = {}, annotations = {} } = request.pod.metadata ?? {};
  const facts = { request, labels, annotations, namespaceLabels: request.namespace.labels ?? {} };
  for (const [policy, decide] of policies) {
    const verdict = decide(facts);
    if (verdict) return { ...verdict, policy };
  }
  throw new Error('the last policy decides everything');
}

const skip = (reason: string): Verdict => ({ inject: false, reason });
const inject = (reason: string): Verdict => ({ inject: true, reason });

/** The rules would be the node's. */
function hostNetwork({ request }: Facts): Verdict | undefined {
  return request.pod.spec.hostNetwork === true ? skip("it is in its node's network") : undefined;
}

function windows({ request }: Facts): Verdict | undefined {
  const { os, nodeSelector } = request.pod.spec as { os?: { name?: string }; nodeSelector?: Record<string, string> };
  const isWindows = os?.name === 'windows' || nodeSelector?.['kubernetes.io/os'] === 'windows';
  return isWindows ? skip('it runs on Windows') : undefined;
}

function ignoredNamespace({ request: { namespace, config } }: Facts): Verdict | undefined {
  return config.ignoredNamespaces.includes(namespace.name)
    ? skip(`nothing is injected in namespace ${namespace.name}`)
    : undefined;
}

/** `istio-injection`: `enabled` is for the default revision, any other value for none. It wins over the namespace's revision. */
function namespaceLabel({ request, namespaceLabels }: Facts): Verdict | undefined {
  const value = namespaceLabels[namespaceKey];
  if (value === undefined) return undefined;
  if (value !== 'enabled') return skip(`its namespace has the label ${namespaceKey}=${value}`);
  return serves(request, 'default')
    ? undefined
    : skip(
        `its namespace has the label ${namespaceKey}=enabled, which the default revision serves; this is ${request.config.revision}`,
      );
}

function namespaceRevision({ request, namespaceLabels }: Facts): Verdict | undefined {
  const revision = namespaceLabels[revisionKey];
  if (revision === undefined || namespaceKey in namespaceLabels) return undefined;
  return serves(request, revision)
    ? undefined
    : skip(`its namespace has the label ${revisionKey}=${revision}; this is revision ${request.config.revision}`);
}

/** A pod's own revision counts only where its namespace carries no label. */
function podRevision({ request, namespaceLabels, labels }: Facts): Verdict | undefined {
  const revision = labels[revisionKey];
  if (revision === undefined || isLabelled(namespaceLabels) || serves(request, revision)) return undefined;
  return skip(`it has the label ${revisionKey}=${revision}; this is revision ${request.config.revision}`);
}

/** In a namespace without labels the pod's label has to ask; the annotation alone is not heard. */
function unlabelled({ request, namespaceLabels, labels }: Facts): Verdict | undefined {
  if (isLabelled(namespaceLabels) || revisionKey in labels) return undefined;
  const asked = labels[injectKey] === 'true';
  const byDefault = request.config.enableNamespacesByDefault && !(injectKey in labels);
  if (!asked && !byDefault) {
    return skip(
      `neither its namespace nor the pod asks for it by a label (${namespaceKey}=enabled, ${revisionKey}, ${injectKey}=true)`,
    );
  }
  return serves(request, 'default') ? undefined : skip(`the default revision serves it; this is ${request.config.revision}`);
}

/** An empty label says nothing, and keeps the annotation from saying anything. */
function podLabel({ labels }: Facts): Verdict | undefined {
  const value = labels[injectKey];
  if (value === undefined || value === '') return undefined;
  if (value === 'true') return inject(`it has the label ${injectKey}=true`);
  if (value === 'false') return skip(`it has the label ${injectKey}=false`);
  throw new InjectionRefusal(`invalid value ${JSON.stringify(value)} for label ${injectKey}: expected true or false`);
}

function podAnnotation({ labels, annotations }: Facts): Verdict | undefined {
  const value = annotations[injectKey];
  if (injectKey in labels || value === undefined || value === '') return undefined;
  if (value === 'true') return inject(`it has the annotation ${injectKey}=true`);
  if (value === 'false') return skip(`it has the annotation ${injectKey}=false`);
  throw new InjectionRefusal(`invalid value ${JSON.stringify(value)} for annotation ${injectKey}: expected true or false`);
}

function neverSelector({ request, labels }: Facts): Verdict | undefined {
  return request.config.neverInjectSelector.some((selector) => selects(selector, labels))
    ? skip('a neverInjectSelector matches it')
    : undefined;
}

function alwaysSelector({ request, labels }: Facts): Verdict | undefined {
  return request.config.alwaysInjectSelector.some((selector) => selects(selector, labels))
    ? inject('an alwaysInjectSelector matches it')
    : undefined;
}

function defaultPolicy({ request }: Facts): Verdict {
  return request.config.policy === 'enabled' ? inject('injection is the default') : skip('the injection policy is disabled');
}

function isLabelled(namespaceLabels: Readonly<Record<string, string>>): boolean {
  return namespaceKey in namespaceLabels || revisionKey in namespaceLabels;
}

function serves({ config }: InjectionRequest, revision: string): boolean {
  return config.revision === revision || config.revisionTags.includes(revision);
}

/** An empty selector matches nothing here, as in Istio. */
function selects(selector: Readonly<Record<string, unknown>>, labels: Readonly<Record<string, string>>): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector as LabelSelector;
  if (Object.keys(matchLabels).length === 0 && matchExpressions.length === 0) return false;
  return matchesSelector(selector as LabelSelector, labels);
}
