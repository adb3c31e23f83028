import { ApiError } from '../../runtime/client/api-error.ts';
import type { RestClient } from '../../runtime/client/rest-client.ts';
import { wait } from '../../runtime/client/wait.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { InjectionConfig } from '../injector/config/injection-config.ts';

/** The minor releases of Kubernetes 1 from which each is on unless somebody turns it off. */
const firstMinors = {
  /** Init containers with `restartPolicy: Always` (SidecarContainers). */
  nativeSidecars: 29,
  /** `sleep` of lifecycle hooks (PodLifecycleSleepAction). An API server that does not know it drops it, and refuses the empty hook. */
  sleepHooks: 30,
};
const retryMs = 5_000;

interface Options {
  readonly rest: Pick<RestClient, 'request'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Says what of Kubernetes injected pods may use, where the configuration does not: the API server's version decides. */
export class ClusterFeatures {
  readonly #options: Options;
  #known: Features | undefined;

  constructor(options: Options) {
    this.#options = options;
  }

  /**
   * Asks for the version, once, until it is answered. A cluster that does not let everybody read it is taken for one of today.
   * Rejects only with the signal's reason.
   */
  async detect(signal: AbortSignal): Promise<void> {
    const { rest, clock, logger } = this.#options;
    while (this.#known === undefined) {
      try {
        const { major, minor, gitVersion } = await rest.request<Version>({ path: '/version', signal });
        this.#known = featuresOf(major, minor);
        logger.info('The version of the API server is known', { gitVersion, ...this.#known });
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof ApiError && error.status < 500 && error.status !== 429) {
          logger.warn('The API server does not tell its version; sidecars are native unless nativeSidecars says otherwise', {
            error,
          });
          this.#known = featuresOf();
        } else {
          logger.warn('The version of the API server is not known yet, and pods are not injected until it is', { error });
          await wait(clock, retryMs, signal);
        }
      }
    }
  }

  /** The configuration, with what it leaves open filled in. */
  apply(config: InjectionConfig): InjectionConfig {
    if (!this.#known || (config.nativeSidecars !== undefined && config.sleepHooks !== undefined)) return config;
    return { ...config, ...this.#known, ...given(config) };
  }
}

type Features = Required<Pick<InjectionConfig, keyof typeof firstMinors>>;

/** What the configuration itself says. */
function given({ nativeSidecars, sleepHooks }: InjectionConfig): Partial<Features> {
  return { ...(nativeSidecars !== undefined && { nativeSidecars }), ...(sleepHooks !== undefined && { sleepHooks }) };
}

interface Version {
  readonly major?: string;
  /** `29`, or `29+` of a distribution. */
  readonly minor?: string;
  readonly gitVersion?: string;
}

function featuresOf(major = '', minor = ''): Features {
  const [first, second] = [Number.parseInt(major, 10), Number.parseInt(minor, 10)];
  // What nobody can read is not from before.
  const has = (firstMinor: number): boolean => !(first < 1 || (first === 1 && second < firstMinor));
  return { nativeSidecars: has(firstMinors.nativeSidecars), sleepHooks: has(firstMinors.sleepHooks) };
}
