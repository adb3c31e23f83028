import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { typeUrls } from '../envoy/resource.ts';

/** Istio's short name of a type, the `type` label of its metrics. */
export function metricType(typeUrl: string): string {
  return shortNames.get(typeUrl) ?? 'other';
}

const shortNames = new Map<string, string>([
  [typeUrls.cluster, 'cds'],
  [typeUrls.endpoint, 'eds'],
  [typeUrls.listener, 'lds'],
  [typeUrls.route, 'rds'],
  [typeUrls.extensionConfig, 'ecds'],
]);

/** Istio's names where the meaning is Istio's (istio pilot/pkg/xds/monitoring.go, pkg/xds/monitoring.go), so that its dashboards work. */
export type XdsMetrics = ReturnType<typeof createXdsMetrics>;

/** Registers the metrics; one set a registry. */
export function createXdsMetrics(registry: Registry) {
  const registers = [registry];
  return {
    connected: new Gauge({
      name: 'pilot_xds',
      help: 'Number of endpoints connected to this pilot using XDS.',
      labelNames: ['version'],
      registers,
    }),
    pushes: new Counter({ name: 'pilot_xds_pushes', help: 'Responses written, by type.', labelNames: ['type'], registers }),
    pushTriggers: new Counter({
      name: 'pilot_push_triggers',
      help: 'Total number of times a push was triggered, labeled by reason for the push.',
      labelNames: ['type'],
      registers,
    }),
    debounceSeconds: new Histogram({
      name: 'pilot_debounce_time',
      help: 'Delay in seconds between a change and the beginning of the push that carries it.',
      buckets: [0.001, 0.01, 0.1, 0.5, 1, 3, 5, 10, 20, 30],
      registers,
    }),
    pushSeconds: new Histogram({
      name: 'pilot_xds_push_time',
      help: 'Total time in seconds taken to compute and write one response.',
      labelNames: ['type'],
      buckets: [0.0001, 0.001, 0.01, 0.1, 1, 3, 5, 10],
      registers,
    }),
    queueSeconds: new Histogram({
      name: 'pilot_proxy_queue_time',
      help: 'Time in seconds, a proxy is in the push queue before being dequeued.',
      buckets: [0.001, 0.01, 0.1, 0.5, 1, 3, 5, 10, 20, 30],
      registers,
    }),
    convergenceSeconds: new Histogram({
      name: 'pilot_proxy_convergence_time',
      help: 'Delay in seconds between config change and a proxy having acknowledged all of it.',
      buckets: [0.01, 0.1, 0.5, 1, 3, 5, 10, 20, 30],
      registers,
    }),
    configBytes: new Histogram({
      name: 'pilot_xds_config_size_bytes',
      help: 'Distribution of configuration sizes pushed to clients',
      labelNames: ['type'],
      buckets: [1, 10_000, 1_000_000, 4_000_000, 10_000_000, 40_000_000],
      registers,
    }),
    rejects: new Counter({
      name: 'pilot_total_xds_rejects',
      help: 'Total number of XDS responses from pilot rejected by proxy.',
      labelNames: ['type'],
      registers,
    }),
    expiredNonces: new Counter({
      name: 'pilot_xds_expired_nonce',
      help: 'Total number of XDS requests with an expired nonce.',
      labelNames: ['type'],
      registers,
    }),
    inventedNonces: new Counter({
      name: 'weft_xds_invented_nonces_total',
      help: 'Requests whose nonce was never issued on their stream.',
      labelNames: ['type'],
      registers,
    }),
    gateTimeouts: new Counter({
      name: 'weft_xds_gate_timeouts_total',
      help: 'Times a type was sent although what it depends on had not been acknowledged in time.',
      labelNames: ['type'],
      registers,
    }),
    internalErrors: new Counter({
      name: 'pilot_total_xds_internal_errors',
      help: 'Total number of internal XDS errors in pilot.',
      registers,
    }),
  };
}
