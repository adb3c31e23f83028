import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** What one webhook counts. */
export interface WebhookMetrics {
  started(): void;
  /** `code`: HTTP status. */
  answered(code: number, durationMs: number): void;
  panicked(): void;
}

/** For servers without a registry. */
export const noWebhookMetrics: WebhookMetrics = { started() {}, answered() {}, panicked() {} };

interface Family {
  readonly total: Counter<'webhook' | 'code'>;
  readonly latency: Histogram<'webhook'>;
  readonly inFlight: Gauge<'webhook'>;
  readonly panics: Counter;
}

/** controller-runtime's: from 10 ns to 1,000 s by powers of ten, in seconds. */
const latencyBuckets = Array.from({ length: 12 }, (_, exponent) => 10 ** (exponent - 8));

const families = new WeakMap<Registry, Family>();

/** Metrics of one webhook under controller-runtime's names; 200 and 500 are there from the start. */
export function createWebhookMetrics(registry: Registry, webhook: string): WebhookMetrics {
  let family = families.get(registry);
  if (!family) {
    family = register(registry);
    families.set(registry, family);
  }
  const { total, latency, inFlight, panics } = family;
  for (const code of ['200', '500']) total.labels({ webhook, code }).inc(0);
  inFlight.labels({ webhook }).set(0);
  return {
    started: () => inFlight.labels({ webhook }).inc(),
    answered(code, durationMs) {
      inFlight.labels({ webhook }).dec();
      total.labels({ webhook, code: String(code) }).inc();
      latency.labels({ webhook }).observe(durationMs / 1000);
    },
    panicked: () => panics.inc(),
  };
}

function register(registry: Registry): Family {
  const registers = [registry];
  return {
    total: new Counter({
      name: 'controller_runtime_webhook_requests_total',
      help: 'Admission requests by webhook and HTTP status',
      labelNames: ['webhook', 'code'],
      registers,
    }),
    latency: new Histogram({
      name: 'controller_runtime_webhook_latency_seconds',
      help: 'Length of an admission request, by webhook',
      labelNames: ['webhook'],
      buckets: latencyBuckets,
      registers,
    }),
    inFlight: new Gauge({
      name: 'controller_runtime_webhook_requests_in_flight',
      help: 'Admission requests being answered, by webhook',
      labelNames: ['webhook'],
      registers,
    }),
    panics: new Counter({
      name: 'controller_runtime_webhook_panics_total',
      help: 'Admission requests whose handler threw',
      registers,
    }),
  };
}
