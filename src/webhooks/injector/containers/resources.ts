import type { InjectionConfig } from '../config/injection-config.ts';
import type { Resources } from '../pod.ts';
import type { InjectionSettings } from '../settings.ts';

/**
 * Requests and limits of the sidecar and of istio-init: the pod's annotations, or the configuration's. One annotation is enough to
 * drop all of the configuration's, as in Istio.
 */
export function resourcesOf({ annotations }: InjectionSettings, config: InjectionConfig): Resources {
  const requests = quantities(annotations['sidecar.istio.io/proxyCPU'], annotations['sidecar.istio.io/proxyMemory']);
  const limits = quantities(annotations['sidecar.istio.io/proxyCPULimit'], annotations['sidecar.istio.io/proxyMemoryLimit']);
  if (!requests && !limits) return config.proxy.resources;
  return { ...(limits && { limits }), ...(requests && { requests }) };
}

function quantities(cpu: string | undefined, memory: string | undefined): Record<string, string> | undefined {
  if (cpu === undefined && memory === undefined) return undefined;
  return { ...(cpu !== undefined && { cpu }), ...(memory !== undefined && { memory }) };
}
