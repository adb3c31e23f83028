import { writeArgument } from '../bootstrap/variables.ts';
import type { InjectionConfig } from '../config/injection-config.ts';
import { InjectionRefusal } from '../injection.ts';
import {
  type Container,
  type EnvironmentVariable,
  type PodSpec,
  type Probe,
  proxyContainerName,
  type SecurityContext,
  type VolumeMount,
} from '../pod.ts';
import { injectedOwner } from '../proxy-owner.ts';
import type { InjectionSettings } from '../settings.ts';
import { hooksOf } from './hooks.ts';
import { resourcesOf } from './resources.ts';
import { overridePath } from './volumes.ts';

/** Linux takes no longer argument (MAX_ARG_STRLEN, with its end). */
const longestArgumentBytes = 131_071;

const defaultDrainMs = 45_000;

/**
 * The sidecar, as it is without the pod's own istio-proxy merged over it.
 * @param spec of the pod, as its templates leave it
 */
export function buildProxyContainer(
  settings: InjectionSettings,
  config: InjectionConfig,
  bootstrap: object,
  mounts: readonly VolumeMount[],
  spec: PodSpec,
): Container {
  const { annotations, isNative, hasOwnProbes } = settings;
  const lifecycle = hooksOf(settings, config, spec);
  return {
    name: proxyContainerName,
    image: annotations['sidecar.istio.io/proxyImage'] ?? config.proxy.image,
    ...(config.imagePullPolicy && { imagePullPolicy: config.imagePullPolicy }),
    ...(isNative && { restartPolicy: 'Always' }),
    // Named, so that it is the same whatever the image's entrypoint is.
    command: ['envoy'],
    args: argumentsOf(settings, config, bootstrap),
    ports: [{ containerPort: config.ports.metrics, name: 'http-envoy-prom', protocol: 'TCP' }],
    env: environmentOf(settings),
    resources: resourcesOf(settings, config),
    ...(lifecycle && { lifecycle }),
    ...(hasOwnProbes && probesOf(settings, config)),
    securityContext: securityOf(settings, config),
    volumeMounts: mounts,
  };
}

function argumentsOf({ annotations, proxyConfig }: InjectionSettings, config: InjectionConfig, bootstrap: object): string[] {
  const text = writeArgument(bootstrap);
  const sizeBytes = Buffer.byteLength(text);
  // What the kubelet fills in takes room too.
  if (sizeBytes > longestArgumentBytes - 4096) {
    throw new InjectionRefusal(
      `the sidecar's bootstrap would be ${sizeBytes} bytes long, and a process takes arguments of ${longestArgumentBytes} at most; ` +
        'shorten what it is made of: labels, probes, proxyMetadata and EnvoyFilters of BOOTSTRAP',
    );
  }
  const componentLogLevel = annotations['sidecar.istio.io/componentLogLevel'] ?? config.proxy.componentLogLevel;
  return [
    ...(annotations['sidecar.istio.io/bootstrapOverride'] === undefined ? [] : ['--config-path', overridePath]),
    '--config-yaml',
    text,
    '--concurrency',
    proxyConfig.concurrency ? String(proxyConfig.concurrency) : '$(ISTIO_CPU_LIMIT)',
    '--log-level',
    annotations['sidecar.istio.io/logLevel'] ?? config.proxy.logLevel,
    ...(componentLogLevel === '' ? [] : ['--component-log-level', componentLogLevel]),
    '--drain-time-s',
    String(Math.ceil((proxyConfig.drainDurationMs ?? defaultDrainMs) / 1000)),
    '--drain-strategy',
    'immediate',
    '--disable-hot-restart',
    '--local-address-ip-version',
    config.ipFamilies === 'ipv6' ? 'v6' : 'v4',
  ];
}

function environmentOf({ proxyConfig: { proxyMetadata = {} } }: InjectionSettings): EnvironmentVariable[] {
  const field = (name: string, fieldPath: string): EnvironmentVariable => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  const own = [
    field('POD_NAME', 'metadata.name'),
    field('POD_NAMESPACE', 'metadata.namespace'),
    field('INSTANCE_IP', 'status.podIP'),
    field('INSTANCE_IPS', 'status.podIPs'),
    field('HOST_IP', 'status.hostIP'),
    field('SERVICE_ACCOUNT', 'spec.serviceAccountName'),
    field('NODE_NAME', 'spec.nodeName'),
    // The kubelet rounds up, and takes the node's cores where there is no limit.
    { name: 'ISTIO_CPU_LIMIT', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1' } } },
  ];
  const given = Object.entries(proxyMetadata).filter(([name]) => !own.some((variable) => variable.name === name));
  return [...own, ...given.map(([name, value]) => ({ name, value }))];
}

function probesOf(
  { annotations }: InjectionSettings,
  { proxy, ports }: InjectionConfig,
): { startupProbe?: Probe; readinessProbe: Probe } {
  const httpGet = { path: '/healthz/ready', port: ports.health };
  return {
    ...(proxy.startupProbe.enabled && {
      startupProbe: { httpGet, periodSeconds: 1, timeoutSeconds: 3, failureThreshold: proxy.startupProbe.failureThreshold },
    }),
    readinessProbe: {
      httpGet,
      initialDelaySeconds:
        annotations['readiness.status.sidecar.istio.io/initialDelaySeconds'] ?? proxy.readinessInitialDelaySeconds,
      periodSeconds: annotations['readiness.status.sidecar.istio.io/periodSeconds'] ?? proxy.readinessPeriodSeconds,
      timeoutSeconds: 3,
      failureThreshold: annotations['readiness.status.sidecar.istio.io/failureThreshold'] ?? proxy.readinessFailureThreshold,
    },
  };
}

function securityOf(settings: InjectionSettings, { proxy }: InjectionConfig): SecurityContext {
  const owner = injectedOwner(settings);
  const isRoot = owner.runAsUser === 0;
  return {
    allowPrivilegeEscalation: false,
    capabilities: { ...(isRoot && { add: ['NET_ADMIN'] }), drop: ['ALL'] },
    privileged: false,
    readOnlyRootFilesystem: true,
    ...owner,
    runAsNonRoot: !isRoot,
    ...(proxy.seccompProfile && { seccompProfile: proxy.seccompProfile }),
  };
}
