import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** How a reconcile ended, as the label `result` has it. `requeue` is controller-runtime's old way and stays 0. */
export type ReconcileResultLabel = 'error' | 'requeue_after' | 'requeue' | 'success';

/** What a controller counts. */
export interface ControllerMetrics {
  reconciled(result: ReconcileResultLabel, durationMs: number): void;
  terminalError(): void;
  /** An error that shows a fault of the program rather than of its surroundings. */
  panicked(): void;
  timedOut(): void;
  workerBusy(change: 1 | -1): void;
}

/** For controllers without a registry. */
export const noControllerMetrics: ControllerMetrics = {
  reconciled() {},
  terminalError() {},
  panicked() {},
  timedOut() {},
  workerBusy() {},
};

/** Metrics of one controller under controller-runtime's names, every series there from the start. */
export function createControllerMetrics(registry: Registry, controller: string, workers: number): ControllerMetrics {
  const family = familyOf(registry);
  const labels = { controller };
  const total = (result: ReconcileResultLabel) => family.total.labels({ controller, result });
  const totals = {
    error: total('error'),
    requeue_after: total('requeue_after'),
    requeue: total('requeue'),
    success: total('success'),
  };
  const errors = family.errors.labels(labels);
  const terminalErrors = family.terminalErrors.labels(labels);
  const panics = family.panics.labels(labels);
  const timeouts = family.timeouts.labels(labels);
  const active = family.activeWorkers.labels(labels);
  const time = family.time.labels(labels);
  for (const counter of [...Object.values(totals), errors, terminalErrors, panics, timeouts]) counter.inc(0);
  family.maxConcurrent.labels(labels).set(workers);
  active.set(0);
  return {
    reconciled(result, durationMs) {
      totals[result].inc();
      if (result === 'error') errors.inc();
      time.observe(durationMs / 1000);
    },
    terminalError: () => terminalErrors.inc(),
    panicked: () => panics.inc(),
    timedOut: () => timeouts.inc(),
    workerBusy: (change) => active.inc(change),
  };
}

interface ControllerMetricFamily {
  readonly total: Counter<'controller' | 'result'>;
  readonly errors: Counter<'controller'>;
  readonly terminalErrors: Counter<'controller'>;
  readonly panics: Counter<'controller'>;
  readonly timeouts: Counter<'controller'>;
  readonly maxConcurrent: Gauge<'controller'>;
  readonly activeWorkers: Gauge<'controller'>;
  readonly time: Histogram<'controller'>;
}

/** controller-runtime's, in seconds. */
const timeBuckets = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.25, 1.5, 1.75, 2, 2.5, 3,
  3.5, 4, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60,
];

const families = new WeakMap<Registry, ControllerMetricFamily>();

function familyOf(registry: Registry): ControllerMetricFamily {
  let family = families.get(registry);
  if (!family) {
    family = registerFamily(registry);
    families.set(registry, family);
  }
  return family;
}

function registerFamily(registry: Registry): ControllerMetricFamily {
  const registers = [registry];
  const labelNames = ['controller'] as const;
  const counter = (name: string, help: string) => new Counter({ name, help, labelNames, registers });
  const gauge = (name: string, help: string) => new Gauge({ name, help, labelNames, registers });
  return {
    total: new Counter({
      name: 'controller_runtime_reconcile_total',
      help: 'Reconciles by controller and result',
      labelNames: [...labelNames, 'result'],
      registers,
    }),
    errors: counter('controller_runtime_reconcile_errors_total', 'Reconciles that failed, by controller'),
    terminalErrors: counter(
      'controller_runtime_terminal_reconcile_errors_total',
      'Reconciles that failed and are not retried, by controller',
    ),
    panics: counter(
      'controller_runtime_reconcile_panics_total',
      'Reconciles that failed by a fault of the program, by controller',
    ),
    timeouts: counter('controller_runtime_reconcile_timeouts_total', 'Reconciles that exceeded their timeout, by controller'),
    maxConcurrent: gauge('controller_runtime_max_concurrent_reconciles', 'Workers of the controller'),
    activeWorkers: gauge('controller_runtime_active_workers', 'Workers of the controller that are reconciling'),
    time: new Histogram({
      name: 'controller_runtime_reconcile_time_seconds',
      help: 'Length of a reconcile, by controller',
      labelNames,
      buckets: timeBuckets,
      registers,
    }),
  };
}
