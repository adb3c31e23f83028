import {
  type CaptureOptions,
  type DnsCapture,
  defaultCaptureOptions,
  proxyOwner,
  uncapturedInboundPorts,
} from '../iptables/capture-options.ts';
import { CaptureOptionError } from '../iptables/check-capture-options.ts';
import { excludedInboundPorts } from '../iptables/nat-rules.ts';
import { badAnnotation } from './annotations/read-annotations.ts';
import { annotationTable } from './annotations/table.ts';
import { BadValue } from './annotations/values.ts';
import type { InjectionConfig } from './config/injection-config.ts';
import { InjectionRefusal } from './injection.ts';
import type { Pod } from './pod.ts';
import type { ProxyOwner } from './proxy-owner.ts';
import type { InjectionSettings } from './settings.ts';

type TrafficList = keyof InjectionConfig['capture'];

/**
 * What of a pod's traffic its sidecar gets: the options of the iptables rules, from the pod's annotations, its ProxyConfig and the
 * configuration. Throws an {@link InjectionRefusal} for what the rules cannot do.
 * @param owner as whom the sidecar runs
 */
export function captureOptions(config: InjectionConfig, settings: InjectionSettings, owner: ProxyOwner): CaptureOptions {
  const { mode, statusPort } = settings;
  const { runAsUser, runAsGroup } = owner;
  if (mode === 'REDIRECT' && runAsUser === 0) {
    throw new InjectionRefusal(
      `container istio-proxy: securityContext.runAsUser must not be 0 in interception mode REDIRECT: the rules know the sidecar by its user, ` +
        'and everything else that runs as root would pass by it',
    );
  }
  if (mode === 'TPROXY' && runAsGroup === 0) {
    throw new InjectionRefusal(
      `container istio-proxy: securityContext.runAsGroup must not be 0 in interception mode TPROXY: the rules know the sidecar by its group, ` +
        'and everything else that runs with it would pass by it',
    );
  }
  return {
    ...defaultCaptureOptions,
    mode,
    ...proxyOwner(mode, owner),
    dns: dnsCapture(settings),
    statusPort,
    includeOutboundIPRanges: listOf('includeOutboundIPRanges', settings, config),
    excludeOutboundIPRanges: listOf('excludeOutboundIPRanges', settings, config),
    includeOutboundPorts: listOf('includeOutboundPorts', settings, config),
    excludeOutboundPorts: listOf('excludeOutboundPorts', settings, config),
    includeInboundPorts: listOf('includeInboundPorts', settings, config),
    // The rules let Istio's ports by; the configuration may have others.
    excludeInboundPorts: [
      ...listOf('excludeInboundPorts', settings, config),
      ...[config.ports.health, config.ports.metrics].filter((port) => !uncapturedInboundPorts.includes(port)),
    ],
    excludeInterfaces: listOf('excludeInterfaces', settings, config),
  };
}

/** Whether a connection to this port of the pod comes in through the sidecar. */
export function isCapturedInbound(port: number, options: CaptureOptions): boolean {
  const { mode, includeInboundPorts: included, tunnelPort } = options;
  if (mode === 'NONE' || port === tunnelPort) return false;
  return included === '*' ? !excludedInboundPorts(options).includes(port) : included.includes(port);
}

type ListAnnotation<List extends TrafficList> = `traffic.sidecar.istio.io/${List}`;
type ListValue<List extends TrafficList> = ReturnType<(typeof annotationTable)[ListAnnotation<List>]>;

/** The pod's list, or the configuration's, which is written in the same way. */
function listOf<List extends TrafficList>(
  list: List,
  { annotations }: InjectionSettings,
  config: InjectionConfig,
): ListValue<List> {
  const name = `traffic.sidecar.istio.io/${list}` as const;
  const annotated = annotations[name] as ListValue<List> | undefined;
  if (annotated !== undefined) return annotated;
  try {
    return annotationTable[name](config.capture[list]) as ListValue<List>;
  } catch (error) {
    if (!(error instanceof BadValue)) throw error;
    throw new InjectionRefusal(`injection configuration: capture.${list}: ${error.message}`);
  }
}

function dnsCapture({ proxyConfig: { proxyMetadata = {} } }: InjectionSettings): DnsCapture {
  if (proxyMetadata.ISTIO_META_DNS_CAPTURE !== 'true') return 'off';
  return proxyMetadata.CAPTURE_ALL_DNS === 'true' ? 'all' : 'resolvConf';
}

/** A refusal that names the annotation, made of what the rules said of one of their options. */
export function asRefusal(error: unknown, pod: Pod): unknown {
  if (!(error instanceof CaptureOptionError)) return error;
  const name = error.field === 'statusPort' ? 'status.sidecar.istio.io/port' : `traffic.sidecar.istio.io/${error.field}`;
  const value = pod.metadata?.annotations?.[name];
  const reason = `${JSON.stringify(error.value)} ${error.reason}`;
  return new InjectionRefusal(value === undefined ? error.message : badAnnotation(name, value, reason));
}
