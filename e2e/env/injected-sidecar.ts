import { defaultMeshConfig } from '../../src/mesh/mesh-config.ts';
import { defaultInjectionConfig, type InjectionConfig } from '../../src/webhooks/injector/config/injection-config.ts';
import { injectPod } from '../../src/webhooks/injector/inject-pod.ts';
import type { Container, Pod } from '../../src/webhooks/injector/pod.ts';
import { ensureEnvoy } from './envoy-binary.ts';
import { type ManagedProcess, startProcess } from './process.ts';

/** What the kubelet would know of the pod. */
export interface PodFacts {
  name: string;
  namespace: string;
  /** Its addresses, the first one first. */
  ips: string[];
  node?: string;
}

/** Injects a pod as the webhook would, in a namespace that is injected. Throws what the refusal says. */
export const inject = (pod: Pod, config: Partial<InjectionConfig> = {}): Pod => {
  const result = injectPod({
    pod,
    namespace: { name: pod.metadata?.namespace ?? 'default', labels: { 'istio-injection': 'enabled' } },
    config: { ...defaultInjectionConfig, ...config },
    meshConfig: defaultMeshConfig,
  });
  if (result.outcome !== 'injected') throw new Error(JSON.stringify(result));
  return result.pod;
};

/** A container of a pod, of either list. */
export const containerOf = (pod: Pod, name: string): Container => {
  const found = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].find((container) => container.name === name);
  if (!found) throw new Error(`the pod has no container ${name}`);
  return found;
};

const environmentOf = (container: Container, facts: PodFacts, pod: Pod): Record<string, string> => {
  const fields: Record<string, string> = {
    'metadata.name': facts.name,
    'metadata.namespace': facts.namespace,
    'status.podIP': facts.ips[0]!,
    'status.podIPs': facts.ips.join(','),
    'status.hostIP': '127.0.0.1',
    'spec.serviceAccountName': pod.spec.serviceAccountName ?? 'default',
    'spec.nodeName': facts.node ?? 'node-1',
  };
  return Object.fromEntries(
    (container.env ?? []).map(({ name, value, valueFrom }) => {
      const path = (valueFrom?.fieldRef as { fieldPath: string } | undefined)?.fieldPath;
      return [name, value ?? (path === undefined ? '1' : fields[path]!)];
    }),
  );
};

/** Kubernetes' expansion of arguments: `$(NAME)` where there is such a variable, `$$` is a `$`. */
export const expandArgument = (text: string, variables: Record<string, string>): string =>
  text.replaceAll(/\$\$|\$\(([^)]*)\)/g, (whole, name: string | undefined) =>
    name === undefined ? '$' : (variables[name] ?? whole),
  );

/** Starts the sidecar of an injected pod as a kubelet would: its own command, its arguments expanded. */
export const startSidecar = async (options: {
  pod: Pod;
  facts: PodFacts;
  /** Where the volumes of the sidecar are, by the path at which it has them. */
  folders?: Record<string, string>;
  netns?: string;
  uid?: number;
}): Promise<ManagedProcess> => {
  const { pod, facts, folders = {}, netns, uid } = options;
  const container = containerOf(pod, 'istio-proxy');
  const variables = environmentOf(container, facts, pod);
  const located = (text: string): string => Object.entries(folders).reduce((path, [from, to]) => path.replaceAll(from, to), text);
  return startProcess({
    command: await ensureEnvoy(),
    args: (container.args ?? []).map((argument) => located(expandArgument(argument, variables))),
    name: 'the sidecar',
    env: variables,
    netns,
    uid,
  });
};
