import { InjectionRefusal } from './injection.ts';
import type { InjectionSettings } from './settings.ts';

/** Where an application's own metrics are. */
export interface MetricsTarget {
  readonly kind: 'http' | 'https';
  readonly port: number;
  readonly path: string;
}

/** The annotations by which Prometheus finds a pod, changed so that it comes to the sidecar. */
export interface MergedMetrics {
  /** Absent: the application has none of its own. */
  readonly target?: MetricsTarget;
  /** Annotations to set; `null` removes one. */
  readonly annotations: Readonly<Record<string, string | null>>;
}

const keys = ['scrape', 'port', 'path', 'scheme'] as const;

type MetricsKey = (typeof keys)[number];

/**
 * Leads Prometheus to the sidecar, which answers with the application's metrics and its own. Undefined where the pod does not want
 * to be scraped, or not that way.
 */
export function mergeMetrics(
  annotations: Readonly<Record<string, string>>,
  { mergesMetrics, statusPort }: InjectionSettings,
  uncaptured: readonly number[],
): MergedMetrics | undefined {
  const given = new Map<MetricsKey, string>();
  const variants: string[] = [];
  for (const [name, value] of Object.entries(annotations)) {
    // Prometheus makes one name of all of these: prometheus.io/port, prometheus.io.port, prometheus-io/port.
    const key = /^prometheus.io.(scrape|port|path|scheme)$/.exec(name.replaceAll(/[^a-zA-Z0-9]/g, '.'))?.[1] as
      | MetricsKey
      | undefined;
    if (!key) continue;
    given.set(key, value);
    variants.push(name);
  }
  if (!mergesMetrics || /^(?:0|f|F|false|FALSE|False)$/.test(given.get('scrape') ?? 'true')) return undefined;
  // Who names one of the sidecar's ports has arranged it already.
  if (uncaptured.includes(Number(given.get('port')))) return undefined;
  const target = targetOf(given);
  return {
    ...(target && { target }),
    annotations: {
      ...Object.fromEntries(variants.map((name) => [name, null])),
      'prometheus.io/scrape': 'true',
      'prometheus.io/port': String(statusPort),
      'prometheus.io/path': '/stats/prometheus',
    },
  };
}

function targetOf(given: ReadonlyMap<MetricsKey, string>): MetricsTarget | undefined {
  const port = given.get('port');
  if (port === undefined) return undefined;
  const number = /^\d{1,5}$/.test(port) ? Number(port) : Number.NaN;
  if (!(number >= 1 && number <= 65_535))
    throw new InjectionRefusal(
      `invalid value ${JSON.stringify(port)} for annotation prometheus.io/port: expected a port from 1 to 65535`,
    );
  const path = (given.get('path') || '/metrics').toWellFormed().replaceAll(/[^\x21-\x7e]+/g, encodeURIComponent);
  return {
    kind: given.get('scheme') === 'https' ? 'https' : 'http',
    port: number,
    path: path.startsWith('/') ? path : `/${path}`,
  };
}
