import type { Registry } from 'prom-client';
import type { Clock } from '../clock.ts';
import type { Logger } from '../logger.ts';
import { HealthChecks } from './health-checks.ts';
import { type HttpAnswer, type HttpAnswerer, HttpListener } from './http-listener.ts';
import type { ManagerOptions } from './manager-options.ts';

/** What a manager answers by itself: `/metrics` on one port, `/healthz` and `/readyz` on another. */
export class Endpoints {
  readonly healthz: HealthChecks;
  readonly readyz: HealthChecks;
  /** Undefined where it is not wanted. */
  readonly metrics: HttpListener | undefined;
  /** Undefined where it is not wanted. */
  readonly probes: HttpListener | undefined;
  readonly #registry: Registry;
  readonly #metricsPaths = new Map<string, HttpAnswerer>();

  constructor(
    { metricsBind = { port: 8080 }, healthProbeBind = { port: 8081 } }: Pick<ManagerOptions, 'metricsBind' | 'healthProbeBind'>,
    { registry, logger, clock }: { readonly registry: Registry; readonly logger: Logger; readonly clock: Clock },
  ) {
    this.#registry = registry;
    this.healthz = new HealthChecks({ clock, logger });
    this.readyz = new HealthChecks({ clock, logger });
    const listener = (name: string, bind: NonNullable<typeof metricsBind>, answer: HttpAnswerer) =>
      bind ? new HttpListener({ name, bind, answer, logger, clock }) : undefined;
    this.metrics = listener('metrics server', metricsBind, (url) => this.#answerMetrics(url));
    this.probes = listener('health probe server', healthProbeBind, (url) => this.#answerProbe(url));
  }

  /** Throws if the path is taken. */
  addMetricsPath(path: string, answer: HttpAnswerer): void {
    if (path === '/metrics' || this.#metricsPaths.has(path)) throw new Error(`the path ${path} of the metrics port is taken`);
    this.#metricsPaths.set(path, answer);
  }

  async #answerMetrics(url: URL): Promise<HttpAnswer | undefined> {
    if (url.pathname === '/metrics') return { body: await this.#registry.metrics(), contentType: this.#registry.contentType };
    return this.#metricsPaths.get(url.pathname)?.(url);
  }

  #answerProbe({ pathname, searchParams }: URL): Promise<HttpAnswer | undefined> | undefined {
    const [, endpoint, ...rest] = pathname.split('/');
    const name = rest.filter(Boolean).join('/');
    if (endpoint === 'healthz') return this.healthz.answer(name, searchParams);
    if (endpoint === 'readyz') return this.readyz.answer(name, searchParams);
    return undefined;
  }
}
