import type { InjectionConfig } from './webhooks/injector/config/injection-config.ts';

/**
 * The injection configuration that a process goes by, as its file changes, and whom tokens of injected proxies are for. The name of the CA's
 * ConfigMap stays what it was at the start: it is what this process may write, and what it keeps.
 */
export class InjectionInForce {
  readonly #audiences: Set<string>;
  #current: InjectionConfig;

  /** @param audiences for which tokens may be issued besides the injected ones */
  constructor(current: InjectionConfig, audiences: readonly string[]) {
    this.#current = current;
    this.#audiences = new Set([...audiences, current.xds.tokenAudience]);
  }

  get current(): InjectionConfig {
    return this.#current;
  }

  /** Those given, and each that has been injected in this process: pods keep the audience that they were made with. */
  get audiences(): readonly string[] {
    return [...this.#audiences];
  }

  /** Puts another configuration in force. Returns what of it has no effect before a restart. */
  take(next: InjectionConfig): string[] {
    const { caConfigMap, caKey } = this.#current.xds;
    const fixed = Object.entries({ caConfigMap, caKey });
    const waiting = fixed.filter(([field, value]) => next.xds[field as 'caKey'] !== value);
    this.#current = { ...next, xds: { ...next.xds, caConfigMap, caKey } };
    this.#audiences.add(next.xds.tokenAudience);
    return waiting.map(
      ([field, value]) => `xds.${field}: stays ${JSON.stringify(value)} until the operator is restarted; the chart sees to that`,
    );
  }
}
