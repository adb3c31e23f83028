import type { InjectionConfig } from './config/injection-config.ts';
import type { PodMetadata } from './pod.ts';
import {
  type ContainerOverrides,
  type InjectionStatus,
  type OriginalRecord,
  overridesAnnotation,
  recordAnnotation,
  statusAnnotation,
} from './record.ts';
import type { Workload } from './workload.ts';

type Texts = Readonly<Record<string, string>>;

/** Istio's label by which clients of its mesh choose what they send to an endpoint; only `istio` has them send mTLS. */
export const tlsModeLabel = 'security.istio.io/tlsMode';

/** Labels that an injected pod has: what it has of them itself stays. Istio's, which telemetry and clients of the mesh read. */
export function injectedLabels(labels: Texts, workload: Workload): Record<string, string> {
  const first = (...names: string[]): string | undefined => names.map((name) => labels[name]).find(Boolean);
  const name = first('service.istio.io/canonical-name', 'app.kubernetes.io/name', 'app') ?? workload.name;
  const revision = first('service.istio.io/canonical-revision', 'app.kubernetes.io/version', 'version') ?? 'latest';
  const injected = {
    // The sidecar does not terminate mTLS (ADR 0034).
    [tlsModeLabel]: 'disabled',
    'service.istio.io/canonical-name': asLabel(name),
    'service.istio.io/canonical-revision': revision,
  };
  return Object.fromEntries(Object.entries(injected).filter(([key, value]) => !(key in labels) && value !== ''));
}

/** What a label's value may be: at most 63 characters, none of `-_.` at its ends. */
function asLabel(text: string): string {
  return text.slice(0, 63).replaceAll(/^[-_.]+|[-_.]+$/g, '');
}

/**
 * Annotations that an injected pod has besides those that account for the injection, where it does not have them itself. The revision
 * and the configuration's own replace what is there.
 */
export function injectedAnnotations(
  annotations: Texts,
  config: InjectionConfig,
  firstContainer: string | undefined,
): Record<string, string> {
  const defaults =
    firstContainer === undefined
      ? {}
      : {
          'kubectl.kubernetes.io/default-container': firstContainer,
          'kubectl.kubernetes.io/default-logs-container': firstContainer,
        };
  const lacking = Object.fromEntries(Object.entries(defaults).filter(([key]) => !(key in annotations)));
  return { ...lacking, 'istio.io/rev': config.revision, ...config.injectedAnnotations };
}

/** What is known of an injection, to be written down. */
export interface Account {
  readonly status: InjectionStatus;
  readonly overrides: ContainerOverrides | undefined;
  readonly handlers: OriginalRecord['handlers'];
  readonly injected: OriginalRecord['injected'];
}

/** Adds to changed metadata the annotations by which everything can be changed back. */
export function writeAccount(
  original: PodMetadata,
  changed: PodMetadata,
  { status, overrides, handlers, injected }: Account,
): PodMetadata {
  const record: OriginalRecord = {
    ...unlessEmpty('handlers', handlers),
    ...unlessEmpty('labels', originalsOf(original.labels, changed.labels)),
    ...unlessEmpty('annotations', originalsOf(original.annotations, changed.annotations)),
    ...unlessEmpty('injected', injected),
  };
  return {
    ...changed,
    annotations: {
      ...changed.annotations,
      [statusAnnotation]: JSON.stringify(status),
      ...(overrides && { [overridesAnnotation]: JSON.stringify(overrides) }),
      [recordAnnotation]: JSON.stringify(record),
    },
  };
}

/** The former value of each key whose value differs now, in an order that does not depend on what was done before. */
function originalsOf(before: Texts = {}, now: Texts = {}): Record<string, string | null> {
  return Object.fromEntries(
    [...new Set([...Object.keys(before), ...Object.keys(now)])]
      .filter((key) => before[key] !== now[key])
      .sort()
      .map((key) => [key, before[key] ?? null]),
  );
}

function unlessEmpty<Key extends string, Value extends object>(
  key: Key,
  value: Value | undefined,
): { readonly [K in Key]?: Value } {
  return (value && Object.keys(value).length ? { [key]: value } : {}) as { readonly [K in Key]?: Value };
}
