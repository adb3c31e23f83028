import { InjectionRefusal } from './injection.ts';
import type { Container, Handler, Pod } from './pod.ts';

/** Istio's account of what an injector put into a pod. */
export const statusAnnotation = 'sidecar.istio.io/status';
/** Istio's place for the containers of the pod's own that were merged with injected ones. */
export const overridesAnnotation = 'proxy.istio.io/overrides';
/** Weft's account of what it changed besides, so that it can be undone. */
export const recordAnnotation = 'injection.weft.dev/original';

/** The value of {@link statusAnnotation}: names of what was injected, and by which revision. `null`: none. */
export interface InjectionStatus {
  readonly initContainers: readonly string[] | null;
  readonly containers: readonly string[] | null;
  readonly volumes: readonly string[] | null;
  readonly imagePullSecrets: readonly string[] | null;
  readonly revision: string;
}

/** The value of {@link overridesAnnotation}: the pod's own containers as they were, in the lists of the injected ones that they customise. */
export interface ContainerOverrides {
  readonly containers?: readonly Container[];
  readonly initContainers?: readonly Container[];
  /** Where each stood itself, by its name; Weft's own. */
  readonly origins?: Readonly<Record<string, { readonly list: 'containers' | 'initContainers'; readonly index: number }>>;
}

/** The value of {@link recordAnnotation}. */
export interface OriginalRecord {
  /** What probes and hooks did before they were led through the sidecar, by the path that they ask for now. */
  readonly handlers?: Readonly<Record<string, Handler>>;
  /** Annotations as they were; `null`: it was not there. */
  readonly annotations?: Readonly<Record<string, string | null>>;
  /** Labels as they were; `null`: it was not there. */
  readonly labels?: Readonly<Record<string, string | null>>;
  /** What the injected containers were given, by their names: anything else in them is from others. */
  readonly injected?: Readonly<Record<string, InjectedParts>>;
}

/** Names of what an injected container was given, and its image. An absent list is empty. */
export interface InjectedParts {
  readonly image?: string;
  readonly env?: readonly string[];
  /** By their paths. */
  readonly volumeMounts?: readonly string[];
  readonly requests?: readonly string[];
  readonly limits?: readonly string[];
}

/** Reads one of the three annotations; undefined if the pod does not have it. Throws an {@link InjectionRefusal} if it is no JSON map. */
export function readRecord<Value extends object>(pod: Pod, name: string): Value | undefined {
  const text = pod.metadata?.annotations?.[name];
  if (text === undefined) return undefined;
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Value;
  } catch {
    // Said below.
  }
  const shown = text.length > 100 ? `${text.slice(0, 100)}…` : text;
  throw new InjectionRefusal(
    `invalid value ${JSON.stringify(shown)} for annotation ${name}: expected the JSON that an injector wrote; remove the annotation`,
  );
}
