import { Counter, Histogram, type Registry } from 'prom-client';

/** Registers the metrics, under Istio's names (istio pkg/kube/inject/monitoring.go), so that its dashboards work. */
export function createInjectionMetrics(registry: Registry) {
  const registers = [registry];
  const counter = (what: string, help: string) => new Counter({ name: `sidecar_injection_${what}_total`, help, registers });
  return {
    requests: counter('requests', 'Total number of sidecar injection requests.'),
    success: counter('success', 'Total number of successful sidecar injection requests.'),
    failure: counter('failure', 'Total number of failed sidecar injection requests.'),
    skip: counter('skip', 'Total number of skipped sidecar injection requests.'),
    seconds: new Histogram({
      name: 'sidecar_injection_time_seconds',
      help: 'Total time taken for injection in seconds.',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 1, 5],
      registers,
    }),
  };
}
