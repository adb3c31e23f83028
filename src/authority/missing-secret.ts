import type { ObjectStore } from '../runtime/cache/object-store.ts';
import type { Clock } from '../runtime/clock.ts';
import type { ReconcileContext, Reconciler, Request, Result } from '../runtime/reconciler.ts';
import type { Secret } from './authority-secret.ts';
import { Patience } from './patience.ts';

/**
 * Makes the authority's Secret where no leader does: one with an authority of another kind does not need it. A Secret that is there is
 * left alone; to make it is conditional, so that any number of replicas do no harm.
 */
export class MissingSecret implements Reconciler {
  readonly #store: Pick<ObjectStore<Secret>, 'get'>;
  readonly #rotation: Reconciler;
  readonly #patience: Patience;

  /** @param rotation does it, as the leader's does */
  constructor({ store, rotation, clock }: { store: Pick<ObjectStore<Secret>, 'get'>; rotation: Reconciler; clock: Clock }) {
    this.#store = store;
    this.#rotation = rotation;
    this.#patience = new Patience(clock);
  }

  /** `request.name`: the Secret. */
  async reconcile(request: Request, context: ReconcileContext): Promise<Result> {
    const isMissing = this.#store.get(request.name) === undefined;
    const leftMs = this.#patience.leftMs(isMissing);
    if (!isMissing) return {};
    return leftMs > 0 ? { requeueAfterMs: leftMs } : this.#rotation.reconcile(request, context);
  }
}
