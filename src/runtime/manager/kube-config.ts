import { KubeConfig } from '@kubernetes/client-node';

/**
 * Finds the cluster as kubectl does: the file, or `$KUBECONFIG`, `~/.kube/config`, the pod's service account, `localhost:8080`.
 * Throws, saying where it looked, if that cannot be read or names no cluster.
 */
export function loadKubeConfig({ file, context }: { readonly file?: string; readonly context?: string } = {}): KubeConfig {
  const kubeConfig = new KubeConfig();
  const from = file ?? process.env.KUBECONFIG ?? 'the default places (~/.kube/config, the pod’s service account)';
  try {
    if (file !== undefined) kubeConfig.loadFromFile(file);
    else kubeConfig.loadFromDefault();
  } catch (cause) {
    throw new Error(`cannot read the kubeconfig from ${from}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
  if (context !== undefined) kubeConfig.setCurrentContext(context);
  checkKubeConfig(kubeConfig, from);
  return kubeConfig;
}

/** Throws if its current context names no cluster. */
export function checkKubeConfig(kubeConfig: KubeConfig, from = 'the kubeconfig'): void {
  if (kubeConfig.getCurrentCluster()) return;
  const names = kubeConfig.getContexts().map(({ name }) => name);
  throw new Error(
    `${from}: the current context ${JSON.stringify(kubeConfig.getCurrentContext() ?? '')} names no cluster; contexts are: ${names.join(', ') || 'none'}`,
  );
}

/**
 * Makes every `loadFromDefault` take this configuration until the returned function is called. The Operator class loads the default
 * in its constructor whether it is wanted or not, and with it fails on a `$KUBECONFIG` that nobody asked for.
 */
export function replaceDefaultKubeConfig(kubeConfig: KubeConfig): () => void {
  const { loadFromDefault } = KubeConfig.prototype;
  KubeConfig.prototype.loadFromDefault = function loadGiven(this: KubeConfig) {
    this.loadFromOptions({
      clusters: kubeConfig.getClusters(),
      contexts: kubeConfig.getContexts(),
      users: kubeConfig.getUsers(),
      currentContext: kubeConfig.getCurrentContext(),
    });
  };
  return () => {
    KubeConfig.prototype.loadFromDefault = loadFromDefault;
  };
}
