import { defaultInjectionConfig } from '../config/injection-config.ts';

/** Whether an image is Istio's `proxyv2`, in whatever registry. Its name is all that can be looked at. */
export function isIstiosProxy(image: string): boolean {
  return /proxyv2/i.test(image);
}

/** What to say of one: it starts, with an Envoy that Weft's configuration is not made for. */
export function istiosProxyWarning(image: string): string {
  return `${image} is Istio's image, with an Envoy of its own; the sidecar needs upstream Envoy 1.40 or later, such as ${defaultInjectionConfig.proxy.image}`;
}
