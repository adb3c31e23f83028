import { parseProxyConfig, type ReadProxyConfig } from '../../../mesh/proxy-config.ts';
import {
  BadValue,
  oneOf,
  readBoolean,
  readComponentLogLevel,
  readCount,
  readImage,
  readInterfaces,
  readLogLevel,
  readNames,
  readObjectName,
  readPort,
  readPorts,
  readPortsOrAll,
  readQuantity,
  readRanges,
  readRangesOrAll,
} from './values.ts';
import { readVolumeMounts, readVolumes } from './volumes.ts';

const readProxyConfigText = (text: string): ReadProxyConfig => {
  const read = parseProxyConfig(text);
  const problems = [...read.problems, ...read.unknown.map((name) => `${name}: ProxyConfig has no such field`)];
  if (problems.length) throw new BadValue(problems.join('; '));
  return read;
};

/** Every annotation that has an effect on injection, and how its value is read. Each is Istio's, with Istio's meaning. */
export const annotationTable = {
  'sidecar.istio.io/inject': oneOf('true', 'false', ''),
  'inject.istio.io/templates': readNames,
  'traffic.sidecar.istio.io/includeOutboundIPRanges': readRangesOrAll,
  'traffic.sidecar.istio.io/excludeOutboundIPRanges': readRanges,
  'traffic.sidecar.istio.io/includeOutboundPorts': readPorts,
  'traffic.sidecar.istio.io/excludeOutboundPorts': readPorts,
  'traffic.sidecar.istio.io/includeInboundPorts': readPortsOrAll,
  'traffic.sidecar.istio.io/excludeInboundPorts': readPorts,
  'traffic.sidecar.istio.io/excludeInterfaces': readInterfaces,
  'sidecar.istio.io/interceptionMode': oneOf('REDIRECT', 'TPROXY', 'NONE'),
  'sidecar.istio.io/proxyImage': readImage,
  'sidecar.istio.io/proxyCPU': readQuantity,
  'sidecar.istio.io/proxyCPULimit': readQuantity,
  'sidecar.istio.io/proxyMemory': readQuantity,
  'sidecar.istio.io/proxyMemoryLimit': readQuantity,
  'sidecar.istio.io/logLevel': readLogLevel,
  'sidecar.istio.io/componentLogLevel': readComponentLogLevel,
  'sidecar.istio.io/userVolume': readVolumes,
  'sidecar.istio.io/userVolumeMount': readVolumeMounts,
  'sidecar.istio.io/bootstrapOverride': readObjectName,
  'sidecar.istio.io/nativeSidecar': readBoolean,
  'sidecar.istio.io/rewriteAppHTTPProbers': readBoolean,
  'status.sidecar.istio.io/port': readPort,
  'readiness.status.sidecar.istio.io/initialDelaySeconds': readCount,
  'readiness.status.sidecar.istio.io/periodSeconds': readCount,
  'readiness.status.sidecar.istio.io/failureThreshold': readCount,
  'prometheus.istio.io/merge-metrics': readBoolean,
  'proxy.istio.io/config': readProxyConfigText,
} as const;

/** The name of an annotation that has an effect. */
export type AnnotationName = keyof typeof annotationTable;

/** Annotations of Istio's injector that have no effect in Weft, and why. */
export const ignoredAnnotations: Readonly<Record<string, string>> = {
  'readiness.status.sidecar.istio.io/applicationPorts':
    "the sidecar is ready when it has its configuration, whatever the application's ports",
  'sidecar.istio.io/agentLogLevel': 'there is no agent',
  'sidecar.istio.io/capNetBindService': 'the sidecar binds no port below 1024',
  'sidecar.istio.io/discoveryAddress': 'it is deprecated; use discoveryAddress in proxy.istio.io/config',
  'sidecar.istio.io/extraStatTags': 'the sidecar keeps the tags of Envoy',
  'sidecar.istio.io/proxyImageType': 'name the whole image in sidecar.istio.io/proxyImage',
  'sidecar.istio.io/statsCompression': 'metrics are not compressed',
  'sidecar.istio.io/statsEvictionInterval': 'the sidecar keeps all statistics',
  'sidecar.istio.io/statsFlushInterval': "Envoy's default is in force",
  'sidecar.istio.io/statsHistogramBins': "Envoy's default is in force",
  'sidecar.istio.io/statsHistogramBuckets': "Envoy's default is in force",
  'sidecar.istio.io/statsInclusionPrefixes': 'the sidecar keeps all statistics',
  'sidecar.istio.io/statsInclusionRegexps': 'the sidecar keeps all statistics',
  'sidecar.istio.io/statsInclusionSuffixes': 'the sidecar keeps all statistics',
  'traffic.sidecar.istio.io/kubevirtInterfaces': 'traffic of virtual machines is not captured',
  'istio.io/reroute-virtual-interfaces': 'traffic of virtual machines is not captured',
};
