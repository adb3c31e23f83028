import { ApiError } from '../../runtime/client/api-error.ts';
import type { RestClient } from '../../runtime/client/rest-client.ts';
import { wait } from '../../runtime/client/wait.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { InjectionConfig } from '../injector/config/injection-config.ts';

/** The release from which init containers with `restartPolicy: Always` are on unless somebody turns them off. */
const firstMinor = 29;
const retryMs = 5_000;

interface Options {
  readonly rest: Pick<RestClient, 'request'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Says whether sidecars are native where the configuration does not: the API server's version decides. */
export class NativeSidecars {
  readonly #options: Options;
  #known: boolean | undefined;

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
        this.#known = hasNativeSidecars(major, minor);
        logger.info('The version of the API server is known', { gitVersion, nativeSidecars: this.#known });
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof ApiError && error.status < 500 && error.status !== 429) {
          logger.warn('The API server does not tell its version; sidecars are native unless nativeSidecars says otherwise', {
            error,
          });
          this.#known = true;
        } else {
          logger.warn('The version of the API server is not known yet, and pods are not injected until it is', { error });
          await wait(clock, retryMs, signal);
        }
      }
    }
  }

  /** The configuration, with what it leaves open filled in. */
  apply(config: InjectionConfig): InjectionConfig {
    return config.nativeSidecars === undefined && this.#known !== undefined ? { ...config, nativeSidecars: this.#known } : config;
  }
}

interface Version {
  readonly major?: string;
  /** `29`, or `29+` of a distribution. */
  readonly minor?: string;
  readonly gitVersion?: string;
}

function hasNativeSidecars(major = '', minor = ''): boolean {
  const [first, second] = [Number.parseInt(major, 10), Number.parseInt(minor, 10)];
  // What nobody can read is not from before.
  return !(first < 1 || (first === 1 && second < firstMinor));
}
