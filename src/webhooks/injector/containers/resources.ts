import { badAnnotation } from '../annotations/read-annotations.ts';
import type { InjectionConfig } from '../config/injection-config.ts';
import { InjectionRefusal } from '../injection.ts';
import type { Container, Resources } from '../pod.ts';
import type { InjectionSettings } from '../settings.ts';
import { isMore } from './quantity.ts';

/**
 * Requests and limits of the sidecar and of istio-init: the pod's annotations, or the configuration's. One annotation is enough to
 * drop all of the configuration's, as in Istio; a limit alone is the request too, for Kubernetes.
 * Throws an {@link InjectionRefusal} for a request above its limit.
 */
export function resourcesOf({ annotations }: InjectionSettings, config: InjectionConfig): Resources {
  for (const resource of ['CPU', 'Memory'] as const) {
    const [name, limitName] = [`sidecar.istio.io/proxy${resource}`, `sidecar.istio.io/proxy${resource}Limit`] as const;
    const [request, limit] = [annotations[name], annotations[limitName]];
    if (request === undefined || limit === undefined || !isMore(request, limit)) continue;
    throw new InjectionRefusal(
      badAnnotation(name, request, `it is more than the limit ${JSON.stringify(limit)} of annotation ${limitName}`),
    );
  }
  const requests = quantities(annotations['sidecar.istio.io/proxyCPU'], annotations['sidecar.istio.io/proxyMemory']);
  const limits = quantities(annotations['sidecar.istio.io/proxyCPULimit'], annotations['sidecar.istio.io/proxyMemoryLimit']);
  if (!requests && !limits) return config.proxy.resources;
  return { ...(limits && { limits }), ...(requests && { requests }) };
}

/**
 * Throws an {@link InjectionRefusal} if the pod's own container makes the request of an injected one more than its limit, or the limit less.
 * @param container merged
 * @param own the pod's own, which was merged over it
 */
export function refuseExcess({ name, resources }: Container, own: Container): void {
  const { requests = {}, limits = {} } = resources ?? {};
  for (const [resource, request] of Object.entries(requests)) {
    const limit = limits[resource];
    if (!own.resources || limit === undefined || !isMore(request, limit)) continue;
    const show = (value: string | number, field: 'requests' | 'limits'): string =>
      `${JSON.stringify(value)}${own.resources?.[field]?.[resource] === undefined ? ', injected' : ''}`;
    throw new InjectionRefusal(
      `container ${name}: resources.requests.${resource} (${show(request, 'requests')}) is more than resources.limits.${resource} ` +
        `(${show(limit, 'limits')}); say both in the pod's own ${name}`,
    );
  }
}

function quantities(cpu: string | undefined, memory: string | undefined): Record<string, string> | undefined {
  if (cpu === undefined && memory === undefined) return undefined;
  return { ...(cpu !== undefined && { cpu }), ...(memory !== undefined && { memory }) };
}
