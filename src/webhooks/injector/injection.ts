import type { MeshConfig } from '../../mesh/mesh-config.ts';
import type { CaptureOptions } from '../iptables/capture-options.ts';
import type { InjectionConfig } from './config/injection-config.ts';
import type { Pod } from './pod.ts';
import type { Workload } from './workload.ts';

/** A JSON object. */
export type JsonMap = { readonly [field: string]: unknown };

/** Everything that decides whether and how a pod is injected. */
export interface InjectionRequest {
  /** The pod as it was sent; it is not changed. */
  readonly pod: Pod;
  /** Where the pod is going to live. Its labels decide first; absent labels: it has none. */
  readonly namespace: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly config: InjectionConfig;
  readonly meshConfig: MeshConfig;
  /** What the pod belongs to, where a file says it. Default: read from the pod's owner references. */
  readonly workload?: Workload;
  /**
   * Changes the bootstrap before it is written into the sidecar's arguments: EnvoyFilter's BOOTSTRAP patches. What it throws
   * refuses the pod. Default: as it is.
   */
  readonly shapeBootstrap?: (bootstrap: JsonMap, proxy: BootstrapSubject) => JsonMap;
}

/** Whose bootstrap {@link InjectionRequest.shapeBootstrap} is given. */
export interface BootstrapSubject {
  readonly namespace: string;
  /** The labels of the pod as they will be, the injected ones included. */
  readonly labels: Readonly<Record<string, string>>;
}

/** What becomes of a pod. */
export type InjectionResult =
  /** It gets a sidecar. */
  | {
      readonly outcome: 'injected';
      readonly pod: Pod;
      /** What is legal and has no effect, or a surprising one: for the person who sent the pod. */
      readonly warnings: readonly string[];
      /** What of its traffic is captured; undefined: it gets no sidecar, only what other templates say. */
      readonly capture?: CaptureOptions;
    }
  /** It stays as it is. */
  | {
      readonly outcome: 'skipped';
      /** The rule that decided, for logs and metrics. */
      readonly policy: string;
      /** In words. */
      readonly reason: string;
    }
  /** It must not be created: an annotation, a label or the pod itself is wrong. */
  | {
      readonly outcome: 'refused';
      /** Names the pod, what is wrong, and what to do; the annotation and its value where one is to blame. */
      readonly message: string;
    };

/** Thrown inside of the injector where a pod cannot be injected; `injectPod` makes it a refusal. */
export class InjectionRefusal extends Error {
  override readonly name = 'InjectionRefusal';
}
