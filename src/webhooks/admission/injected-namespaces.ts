import type { Pod } from '../../api/kubernetes/pod.ts';
import type { ObjectStore } from '../../runtime/cache/object-store.ts';
import type { DeepReadonly, KubernetesObject } from '../../runtime/object.ts';
import type { InjectionConfig } from '../injector/config/injection-config.ts';
import { tlsModeLabel } from '../injector/metadata.ts';

export interface InjectedNamespacesOptions {
  readonly namespaces: ObjectStore<KubernetesObject>;
  readonly pods: ObjectStore<Pod>;
  /** In force at the moment it is asked. */
  readonly config: () => InjectionConfig;
  /** Whether a namespace takes part in the mesh. */
  readonly takesPart: (namespace: string) => boolean;
}

const indexName = 'injected';

/** Which namespaces have injected pods, or are about to: by their own labels, or by those of a pod in them. */
export class InjectedNamespaces {
  readonly #options: InjectedNamespacesOptions;

  /** Once for each store of pods: it adds an index. */
  constructor(options: InjectedNamespacesOptions) {
    this.#options = options;
    options.pods.addIndex(indexName, (pod) => (isInjected(pod) ? [pod.metadata.namespace] : []));
  }

  includes(namespace: string): boolean {
    const { namespaces, pods, config, takesPart } = this.#options;
    const object = namespaces.get(namespace);
    if (!object || object.metadata.deletionTimestamp !== undefined || !takesPart(namespace)) return false;
    if (config().ignoredNamespaces.includes(namespace)) return false;
    return isServed(object.metadata.labels, config()) || pods.byIndex(indexName, namespace).length > 0;
  }

  /** All of them, as things are. */
  list(): string[] {
    const names = this.#options.namespaces.list().map(({ metadata }) => metadata.name);
    return names.filter((name) => this.includes(name));
  }

  /** Calls back with each namespace that may have come to be one. The returned function ends that. */
  onChange(listener: (namespace: string) => void): () => void {
    const { namespaces, pods } = this.#options;
    const ends = [
      namespaces.subscribe((event) => {
        const { metadata } = event.type === 'update' ? event.objectNew : event.object;
        if (this.includes(metadata.name)) listener(metadata.name);
      }),
      pods.subscribe((event) => {
        const after = event.type === 'update' ? event.objectNew : event.object;
        const wasInjected = event.type === 'update' && isInjected(event.objectOld);
        if (event.type !== 'delete' && isInjected(after) && !wasInjected) listener(after.metadata.namespace);
      }),
    ];
    return () => {
      for (const end of ends) end();
    };
  }
}

/** By Istio's labels: `istio-injection` wins over a revision. */
function isServed(labels: Readonly<Record<string, string>> = {}, config: InjectionConfig): boolean {
  const injection = labels['istio-injection'];
  const revision = labels['istio.io/rev'];
  const serves = [config.revision, ...config.revisionTags];
  if (injection !== undefined) return injection === 'enabled' && serves.includes('default');
  if (revision !== undefined) return serves.includes(revision);
  return config.enableNamespacesByDefault && serves.includes('default');
}

/** It asks for a sidecar, or has one: injectors leave that label, whatever its value. */
function isInjected({ metadata: { labels = {} } }: DeepReadonly<KubernetesObject>): boolean {
  return labels['sidecar.istio.io/inject'] === 'true' || labels['istio.io/rev'] !== undefined || tlsModeLabel in labels;
}
