import { KubeConfig } from '@kubernetes/client-node';

/** A cluster where nobody answers, for tests that do not ask. */
export function unreachableKubeConfig(server = 'https://127.0.0.1:1'): KubeConfig {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromOptions({
    clusters: [{ name: 'none', server, skipTLSVerify: true }],
    users: [{ name: 'nobody', token: 'secret' }],
    contexts: [{ name: 'none', cluster: 'none', user: 'nobody', namespace: 'operators' }],
    currentContext: 'none',
  });
  return kubeConfig;
}
