import type { InjectionConfig } from '../config/injection-config.ts';
import type { JsonMap } from '../injection.ts';
import type { Pod } from '../pod.ts';
import { proxyContainerName } from '../pod.ts';
import type { InjectionSettings } from '../settings.ts';
import type { Workload } from '../workload.ts';
import { variable } from './variables.ts';

const metadataPrefix = 'ISTIO_META_';

/**
 * Who the proxy is, in Istio's words, as the control plane reads them (src/xds/wire/parse-node.ts).
 * @param pod with the labels that it will have
 */
export function buildNode(pod: Pod, workload: Workload, settings: InjectionSettings, config: InjectionConfig): JsonMap {
  const { labels = {} } = pod.metadata ?? {};
  const { proxyConfig, mode } = settings;
  const [name, namespace] = [variable('POD_NAME'), variable('POD_NAMESPACE')];
  const canonicalName = labels['service.istio.io/canonical-name'] ?? workload.name;
  return {
    id: `sidecar~${variable('INSTANCE_IP')}~${name}.${namespace}~${namespace}.svc.${config.clusterDomain}`,
    cluster: proxyConfig.serviceCluster ?? (canonicalName ? `${canonicalName}.${namespace}` : namespace),
    ...localityOf(labels['istio-locality']),
    metadata: {
      NAME: name,
      NAMESPACE: namespace,
      INSTANCE_IPS: variable('INSTANCE_IPS'),
      SERVICE_ACCOUNT: variable('SERVICE_ACCOUNT'),
      NODE_NAME: variable('NODE_NAME'),
      CLUSTER_ID: config.clusterName,
      MESH_ID: proxyConfig.meshId ?? config.meshId,
      ...(config.istioVersion && { ISTIO_VERSION: config.istioVersion }),
      ...((labels['topology.istio.io/network'] || config.network) && {
        NETWORK: labels['topology.istio.io/network'] || config.network,
      }),
      INTERCEPTION_MODE: mode,
      ...(workload.name && {
        WORKLOAD_NAME: labels['service.istio.io/workload-name'] ?? workload.name,
        OWNER: ownerOf(workload, namespace),
      }),
      APP_CONTAINERS: pod.spec.containers
        .filter((container) => container.name !== proxyContainerName)
        .map((container) => container.name)
        .join(','),
      // In an order that does not depend on who wrote them last.
      LABELS: Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))),
      ...metadataOf(proxyConfig.proxyMetadata ?? {}),
    },
  };
}

/** `region.zone.subzone` or `region/zone/subzone`; Istio's label for proxies whose node does not tell. */
function localityOf(label: string | undefined): JsonMap {
  if (!label) return {};
  const [region, zone, sub_zone] = label.split(label.includes('/') ? '/' : '.');
  return { locality: { region, ...(zone && { zone }), ...(sub_zone && { sub_zone }) } };
}

function ownerOf({ apiVersion, kind, name }: Workload, namespace: string): string {
  return `kubernetes://apis/${apiVersion}/namespaces/${namespace}/${kind.toLowerCase()}s/${name}`;
}

function metadataOf(proxyMetadata: Readonly<Record<string, string>>): JsonMap {
  return Object.fromEntries(
    Object.entries(proxyMetadata)
      .filter(([key]) => key.startsWith(metadataPrefix) && key.length > metadataPrefix.length)
      .map(([key, value]) => [key.slice(metadataPrefix.length), value]),
  );
}
