import type { MessageInitShape } from '@bufbuild/protobuf';
import type { MetadataSchema } from '../../envoy/gen/envoy/config/core/v3/base_pb.js';
import type { ServiceSpec } from '../../mesh/service.ts';

/** Which services a cluster is for, where Istio says it: in its metadata. Filters and access logs read it there. */
export function servicesMetadata(
  services: readonly Pick<ServiceSpec, 'hostname' | 'namespace'>[],
): MessageInitShape<typeof MetadataSchema> {
  const byHost = new Map(
    services.map(({ hostname, namespace }) => [hostname, { host: hostname, name: hostname, namespace }] as const),
  );
  return { filterMetadata: { istio: { services: [...byHost.values()] } } };
}
