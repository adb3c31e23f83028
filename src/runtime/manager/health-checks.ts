import { callWithin } from '../abort.ts';
import { type Clock, systemClock } from '../clock.ts';
import { type Logger, silentLogger } from '../logger.ts';

/** Passes by returning or resolving; fails by throwing or rejecting. Heeds the signal if it takes long. */
export type HealthCheck = (signal: AbortSignal) => void | Promise<void>;

/** A check that always passes: that the process answers. What an endpoint without any checks has. */
export const ping: HealthCheck = () => {};

/** A plain text answer to a probe. */
export interface HealthAnswer {
  readonly code: number;
  readonly body: string;
}

interface CheckResult {
  readonly name: string;
  readonly outcome: 'passed' | 'excluded' | 'failed';
}

/** How long one check may take before it counts as failed. */
const checkTimeoutMs = 5_000;

/** Named checks of one endpoint and the answers of controller-runtime's healthz: all together, or one by its name. */
export class HealthChecks {
  readonly #checks = new Map<string, HealthCheck>();
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor({ clock = systemClock, logger = silentLogger }: { readonly clock?: Clock; readonly logger?: Logger } = {}) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** At any time, also while served. A second check of that name replaces the first. */
  add(name: string, check: HealthCheck): void {
    if (!/^[\w.-]+$/.test(name)) throw new Error(`health check name ${JSON.stringify(name)}: use letters, digits, ".", "_", "-"`);
    this.#checks.set(name, check);
  }

  /**
   * The answer to the path below the endpoint: empty for all checks (with `?verbose` a line for each, `?exclude=NAME` leaves one out),
   * a name for one, with its reason. Undefined if there is no such check.
   */
  async answer(name: string, query: URLSearchParams): Promise<HealthAnswer | undefined> {
    if (name === '') return this.#answerAll(query);
    const check = this.#checks.get(name) ?? (this.#checks.size === 0 && name === 'ping' ? ping : undefined);
    if (!check) return undefined;
    const error = await this.#run(name, check);
    return error ? { code: 500, body: `internal server error: ${error.message}\n` } : { code: 200, body: 'ok' };
  }

  async #answerAll(query: URLSearchParams): Promise<HealthAnswer> {
    const excluded = new Set(query.getAll('exclude'));
    const checks: [string, HealthCheck][] = this.#checks.size > 0 ? [...this.#checks] : [['ping', ping]];
    const results = await Promise.all(
      checks.map(async ([name, check]): Promise<CheckResult> => {
        if (excluded.delete(name)) return { name, outcome: 'excluded' };
        return { name, outcome: (await this.#run(name, check)) ? 'failed' : 'passed' };
      }),
    );
    const failed = results.some(({ outcome }) => outcome === 'failed');
    if (!failed && !query.has('verbose')) return { code: 200, body: 'ok' };
    const lines = results.toSorted((a, b) => (a.name < b.name ? -1 : 1)).map(formatResult);
    if (excluded.size > 0) {
      const names = [...excluded].map((name) => JSON.stringify(name)).join(',');
      lines.push(`warn: some health checks cannot be excluded: no matches for ${names}`);
    }
    lines.push(failed ? 'healthz check failed' : 'healthz check passed');
    return { code: failed ? 500 : 200, body: `${lines.join('\n')}\n` };
  }

  async #run(name: string, check: HealthCheck): Promise<Error | undefined> {
    const parent = new AbortController().signal;
    try {
      await callWithin({ clock: this.#clock, limitMs: checkTimeoutMs, parent, what: `check ${name}` }, async (signal) =>
        check(signal),
      );
      return undefined;
    } catch (thrown) {
      this.#logger.warn('Health check failed', { check: name, error: thrown });
      return thrown instanceof Error ? thrown : new Error(String(thrown));
    }
  }
}

/** The reason is withheld, since whoever reaches the port may read this; the check's own path tells it. */
function formatResult({ name, outcome }: CheckResult): string {
  if (outcome === 'failed') return `[-]${name} failed: reason withheld`;
  return outcome === 'excluded' ? `[+]${name} excluded: ok` : `[+]${name} ok`;
}
