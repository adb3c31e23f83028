import { Counter, Histogram, type Registry } from 'prom-client';

/** What a {@link RestClient} counts. */
export interface RestMetrics {
  /** One attempt. `code` is the HTTP status, or `<error>` where there was no answer. */
  requested(host: string, method: string, verb: string, code: string, durationMs: number): void;
}

/** For clients without a registry. */
export const noRestMetrics: RestMetrics = { requested() {} };

/** client-go's, in seconds. */
const durationBuckets = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60];

const families = new WeakMap<Registry, RestMetrics>();

/** Metrics under client-go's names; clients that share a registry share them. The length of a watch is that until it begins. */
export function createRestMetrics(registry: Registry): RestMetrics {
  let metrics = families.get(registry);
  if (!metrics) {
    metrics = register(registry);
    families.set(registry, metrics);
  }
  return metrics;
}

function register(registry: Registry): RestMetrics {
  const registers = [registry];
  const requests = new Counter({
    name: 'rest_client_requests_total',
    help: 'Requests to the API server, by status code, method and host',
    labelNames: ['code', 'host', 'method'],
    registers,
  });
  const durations = new Histogram({
    name: 'rest_client_request_duration_seconds',
    help: 'Length of a request to the API server, by verb and host',
    labelNames: ['verb', 'host'],
    buckets: durationBuckets,
    registers,
  });
  return {
    requested(host, method, verb, code, durationMs) {
      requests.inc({ code, host, method });
      durations.observe({ verb, host }, durationMs / 1000);
    },
  };
}
