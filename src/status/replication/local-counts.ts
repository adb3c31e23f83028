import type { Mesh } from '../../mesh/mesh.ts';
import type { ObjectKey } from '../../mesh/object-key.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Ledger } from '../../xds/ledger.ts';
import type { PatchReport } from '../../xds/proxy-class.ts';
import type { DepartedObjects } from './departed-objects.ts';
import { maxFailedPatches, maxPatches, type ObjectLine, type ReplicaLine } from './replica-line.ts';

export interface LocalCountsOptions {
  readonly mesh: Mesh;
  readonly ledger: Pick<Ledger, 'propagation' | 'onDirty'>;
  /** Outlives the connection; told when the leader has heard of an object's end. */
  readonly departed: DepartedObjects;
  readonly clock: Clock;
}

/**
 * What one replica has to tell the leader, one connection at a time: for each object its counts, said again only when they differ.
 * What changes while the connection is busy is merged by object, so that memory is bounded by objects.
 */
export class LocalCounts {
  readonly #options: LocalCountsOptions;
  readonly #said = new Map<ObjectKey, string>();
  readonly #dirty = new Set<ObjectKey>();
  /** Objects that left the mesh, and the revision from which on counts say what proxies still have of them. */
  readonly #goneAtRevision = new Map<ObjectKey, number>();
  readonly #unsubscribe: (() => void)[];

  /** @param onDirty told that {@link take} may have something */
  constructor(options: LocalCountsOptions, onDirty: () => void) {
    const { mesh, ledger, departed } = options;
    this.#options = options;
    for (const key of mesh.verdicts.keys()) this.#dirty.add(key);
    for (const key of departed.keys()) {
      this.#dirty.add(key);
      this.#said.set(key, '');
    }
    const mark = (keys: Iterable<ObjectKey>) => {
      for (const key of keys) this.#dirty.add(key);
      onDirty();
    };
    this.#unsubscribe = [
      mesh.verdicts.onChange((key) => mark([key])),
      ledger.onDirty((objects) => mark(objects === 'all' ? this.#all() : objects)),
    ];
  }

  /** The next line to send; undefined: nothing has changed. */
  take(): ReplicaLine | undefined {
    for (const key of this.#dirty) {
      this.#dirty.delete(key);
      const line = this.#describe(key);
      if (!line) continue;
      if (line.type === 'gone') {
        this.#said.delete(key);
        this.#goneAtRevision.delete(key);
        this.#options.departed.forget(key);
        return line;
      }
      // How long is no change in itself.
      const words = JSON.stringify({ ...line, pendingForMs: undefined });
      if (this.#said.get(key) === words) continue;
      this.#said.set(key, words);
      return line;
    }
    return undefined;
  }

  close(): void {
    for (const end of this.#unsubscribe) end();
  }

  #all(): Iterable<ObjectKey> {
    return new Set([...this.#options.mesh.verdicts.keys(), ...this.#said.keys()]);
  }

  #describe(key: ObjectKey): ObjectLine | Extract<ReplicaLine, { type: 'gone' }> | undefined {
    const { mesh, ledger, clock } = this.#options;
    const verdict = mesh.verdicts.get(key);
    const { affected, acked, rejected, pending, rejections, laggards, pendingSince, revision, rollout, patches } =
      ledger.propagation(key);
    let served = true;
    if (verdict) {
      this.#goneAtRevision.delete(key);
      served = (mesh.intake(key)?.revision ?? 0) <= revision;
    } else {
      if (!this.#said.has(key)) return undefined;
      const goneAt = this.#goneAtRevision.get(key) ?? mesh.revision;
      this.#goneAtRevision.set(key, goneAt);
      served = revision >= goneAt;
      if (served && affected === 0) return { type: 'gone', key };
    }
    return {
      type: 'object',
      key,
      ...(verdict && { generation: verdict.generation, ...(verdict.uid !== undefined && { uid: verdict.uid }) }),
      served,
      affected,
      acked,
      rejected,
      pending,
      ...(pendingSince !== undefined && { pendingForMs: Math.max(0, clock.now() - pendingSince) }),
      ...(rejections.length > 0 && {
        rejections: rejections.map((rejection) => ({ ...rejection, suspects: rejection.suspects.slice(0, 64) })),
      }),
      ...(laggards.length > 0 && { laggards: [...laggards] }),
      ...(rollout && { rollout: { ...rollout } }),
      ...(patches && { patches: describePatches(patches) }),
    };
  }
}

function describePatches({ classes, matched, failed }: PatchReport): NonNullable<ObjectLine['patches']> {
  return {
    classes,
    matched: [...matched].slice(0, maxPatches),
    failed: Array.from(failed, ([index, message]): [number, string] => [index, message.slice(0, 512)]).slice(0, maxFailedPatches),
  };
}
