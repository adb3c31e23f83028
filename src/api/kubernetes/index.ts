import { endpointSliceKind } from './endpoint-slice.ts';
import type { KubernetesKind } from './kind.ts';
import { namespaceKind } from './namespace.ts';
import { nodeKind } from './node.ts';
import { podKind } from './pod.ts';
import { serviceKind } from './service.ts';

/** Every kind of Kubernetes' own that the mesh is made from. */
export const kubernetesKinds: readonly KubernetesKind[] = [namespaceKind, nodeKind, serviceKind, endpointSliceKind, podKind];
