import type { ObjectStore } from '../runtime/cache/object-store.ts';
import { isAlreadyExists, isConflict } from '../runtime/client/api-error.ts';
import type { Client } from '../runtime/client/client.ts';
import type { Clock } from '../runtime/clock.ts';
import { parseObjectName } from '../runtime/object.ts';
import type { ReconcileContext, Reconciler, Request, Result } from '../runtime/reconciler.ts';
import { readSecret, type Secret, secretKind, writeSecret } from './authority-secret.ts';
import { advance } from './authority-state.ts';
import type { AuthorityTimes } from './authority-times.ts';
import type { SecretAuthority } from './secret-authority.ts';

export interface SecretRotationOptions {
  readonly client: Pick<Client, 'create' | 'update'>;
  /** Where a source keeps the Secret up to date. */
  readonly store: ObjectStore<Secret>;
  /** What this replica last found usable: a Secret that was deleted or spoilt is written again from it. */
  readonly authority: SecretAuthority;
  readonly times: AuthorityTimes;
  /** DNS names and IP addresses of the servers. */
  readonly names: readonly string[];
  readonly clock: Clock;
}

/** At least this often the Secret is looked at, in milliseconds: a timer of months would be one that nobody has tested. */
const lookAgainMs = 3_600_000;

/** After a write that came too late: the watch brings the other one's version. In milliseconds. */
const conflictPauseMs = 1000;

/**
 * The leader's part of the authority: makes the Secret and replaces what falls due. Two leaders do no harm: the Secret is only made if
 * it is not there, and replaced only in the version that was read; who is late looks at what the other wrote.
 */
export class SecretRotation implements Reconciler {
  readonly #options: SecretRotationOptions;

  constructor(options: SecretRotationOptions) {
    this.#options = options;
  }

  /** `request.name`: the Secret. */
  async reconcile({ name }: Request, { logger, signal }: ReconcileContext): Promise<Result> {
    const { client, store, authority, times, names, clock } = this.#options;
    const present = store.get(name);
    const { state, requested } = readSecret(present);
    const known = { ...authority.state, ...state };
    const next = await advance(known, { nowMs: clock.now(), times, names, ...(requested && { requested }) });
    const wanted = writeSecret(next.state, parseObjectName(name), present);
    if (!present || requested || !isSameData(present, wanted)) {
      try {
        await (present ? client.update(secretKind, wanted, { signal }) : client.create(secretKind, wanted, { signal }));
      } catch (error) {
        if (!isConflict(error) && !isAlreadyExists(error)) throw error;
        logger.debug('The authority was written by another meanwhile');
        return { requeueAfterMs: conflictPauseMs };
      }
      const changes = next.changes.length ? next.changes : ['it was written again as it was'];
      logger.info('The authority has changed', { changes });
    }
    return { requeueAfterMs: Math.min(Math.max(next.dueAtMs - clock.now(), conflictPauseMs), lookAgainMs) };
  }
}

function isSameData({ data = {} }: Pick<Secret, 'data'>, { data: wanted = {} }: Secret): boolean {
  const keys = Object.keys(wanted);
  return keys.length === Object.keys(data).length && keys.every((key) => data[key] === wanted[key]);
}
