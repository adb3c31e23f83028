import { type TypeUrl, typeUrls } from '../../envoy/resource.ts';
import type { Openings, TypeState } from './type-state.ts';

/** Everything one proxy has asked for, by type. */
export type TypeStates = Readonly<Record<TypeUrl, TypeState>>;

/**
 * What of a type may leave now so that no route or listener ever names a cluster the proxy lacks (xDS protocol, "make before break"):
 * clusters, their endpoints, then listeners, then routes and filters; clusters and endpoints that nobody names any more go last.
 * Endpoints need no gate: a stream is read in order, so what is written behind a cluster is applied behind it,
 * and endpoints sent ahead of a pending cluster are sent again behind it. `resumed`: the proxy had another stream before this one.
 */
export function openings(typeUrl: TypeUrl, types: TypeStates, resumed: boolean): Openings {
  const clusters = types[typeUrls.cluster];
  const listeners = types[typeUrls.listener];
  const routes = types[typeUrls.route];
  const filters = types[typeUrls.extensionConfig];
  const clustersServe = !changing(clusters) && types[typeUrls.endpoint].awaited.size === 0;
  switch (typeUrl) {
    case typeUrls.cluster: {
      // On a new stream, a proxy that runs already asks for listeners, routes and filters a moment after clusters.
      const asked = !resumed || (listeners.introduced && routes.introduced && filters.introduced);
      return { changes: true, removals: asked && quiet(listeners) && quiet(routes) && quiet(filters) };
    }
    case typeUrls.endpoint:
      return { changes: true, removals: quiet(clusters) };
    case typeUrls.listener:
      // A listener that takes over another's address comes in the same response as the other's removal, or Envoy refuses it.
      return { changes: clustersServe, removals: clustersServe };
    case typeUrls.route:
    case typeUrls.extensionConfig: {
      const open = clustersServe && quiet(listeners);
      return { changes: open, removals: open };
    }
  }
}

function changing(state: TypeState): boolean {
  return state.outstanding !== undefined || state.changesPending;
}

function quiet(state: TypeState): boolean {
  return !state.subscription.active || state.idle;
}
