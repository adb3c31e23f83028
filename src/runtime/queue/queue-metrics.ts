import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** What a queue tells about itself. Durations in milliseconds; the metrics are in seconds, as client-go's. */
export interface QueueMetrics {
  /** An item became ready. */
  added(priority: number): void;
  /** A ready item was raised. */
  reprioritised(oldPriority: number, newPriority: number): void;
  /** A ready item was handed out after waiting this long. */
  handedOut(priority: number, waitedMs: number): void;
  /** A ready item was dropped because the queue shut down. */
  dropped(priority: number): void;
  /** Work on an item ended. */
  finished(workedMs: number): void;
  /** An item was added with a delay. */
  retried(): void;
  /** Gives the ages of the items in work, asked for at each scrape; the returned function ends it. */
  observeInWork(agesMs: () => Iterable<number>): () => void;
}

/** For queues without a registry. */
export const noQueueMetrics: QueueMetrics = {
  added() {},
  reprioritised() {},
  handedOut() {},
  dropped() {},
  finished() {},
  retried() {},
  observeInWork: () => () => {},
};

/** Above this many distinct priorities of one queue, all further depth is counted under one label, as in controller-runtime. */
const maxPriorityLabels = 25;

/** Metrics of one queue under client-go's names, labelled `name` and `controller` (both the queue's name), depth also `priority`. */
export function createQueueMetrics(registry: Registry, name: string): QueueMetrics {
  const family = familyOf(registry);
  const labels = { name, controller: name };
  const adds = family.adds.labels(labels);
  const retries = family.retries.labels(labels);
  const queueDuration = family.queueDuration.labels(labels);
  const workDuration = family.workDuration.labels(labels);
  adds.inc(0);
  retries.inc(0);
  const depthByPriority = new Map<number, Gauge.Internal<QueueLabel | 'priority'>>();
  const depth = (priority: number) => {
    let gauge = depthByPriority.get(priority);
    if (!gauge) {
      const label = depthByPriority.size < maxPriorityLabels ? String(priority) : 'exceeded_cardinality_limit';
      gauge = family.depth.labels({ ...labels, priority: label });
      depthByPriority.set(priority, gauge);
    }
    return gauge;
  };
  return {
    added(priority) {
      adds.inc();
      depth(priority).inc();
    },
    reprioritised(oldPriority, newPriority) {
      depth(oldPriority).dec();
      depth(newPriority).inc();
    },
    handedOut(priority, waitedMs) {
      depth(priority).dec();
      queueDuration.observe(waitedMs / 1000);
    },
    dropped: (priority) => depth(priority).dec(),
    finished: (workedMs) => workDuration.observe(workedMs / 1000),
    retried: () => retries.inc(),
    observeInWork(agesMs) {
      family.inWork.set(name, agesMs);
      return () => void family.inWork.delete(name);
    },
  };
}

type QueueLabel = 'name' | 'controller';

interface QueueMetricFamily {
  readonly depth: Gauge<QueueLabel | 'priority'>;
  readonly adds: Counter<QueueLabel>;
  readonly retries: Counter<QueueLabel>;
  readonly queueDuration: Histogram<QueueLabel>;
  readonly workDuration: Histogram<QueueLabel>;
  readonly inWork: Map<string, () => Iterable<number>>;
}

const families = new WeakMap<Registry, QueueMetricFamily>();

function familyOf(registry: Registry): QueueMetricFamily {
  let family = families.get(registry);
  if (!family) {
    family = registerFamily(registry);
    families.set(registry, family);
  }
  return family;
}

function registerFamily(registry: Registry): QueueMetricFamily {
  const registers = [registry];
  const labelNames = ['name', 'controller'] as const;
  const buckets = Array.from({ length: 12 }, (_, exponent) => 10 ** (exponent - 8));
  const inWork = new Map<string, () => Iterable<number>>();
  const inWorkGauge = (name: string, help: string, measure: (agesMs: Iterable<number>) => number) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const [queue, agesMs] of inWork) this.set({ name: queue, controller: queue }, measure(agesMs()) / 1000);
      },
    });
  inWorkGauge(
    'workqueue_unfinished_work_seconds',
    'Seconds of work in progress that workqueue_work_duration_seconds has not observed yet; steady growth means stuck workers',
    (agesMs) => Iterator.from(agesMs).reduce((sum, ageMs) => sum + ageMs, 0),
  );
  inWorkGauge(
    'workqueue_longest_running_processor_seconds',
    'Seconds that the longest running worker has spent on its item so far',
    (agesMs) => Iterator.from(agesMs).reduce((oldest, ageMs) => Math.max(oldest, ageMs), 0),
  );
  return {
    inWork,
    depth: new Gauge({
      name: 'workqueue_depth',
      help: 'Items ready to be worked on, by queue and priority',
      labelNames: [...labelNames, 'priority'],
      registers,
    }),
    adds: new Counter({ name: 'workqueue_adds_total', help: 'Items that became ready, by queue', labelNames, registers }),
    retries: new Counter({
      name: 'workqueue_retries_total',
      help: 'Items added with a delay: rate-limited, requeued after a time, or added for later',
      labelNames,
      registers,
    }),
    queueDuration: new Histogram({
      name: 'workqueue_queue_duration_seconds',
      help: 'How long an item is ready before it is handed out',
      labelNames,
      buckets,
      registers,
    }),
    workDuration: new Histogram({
      name: 'workqueue_work_duration_seconds',
      help: 'How long work on an item takes',
      labelNames,
      buckets,
      registers,
    }),
  };
}
