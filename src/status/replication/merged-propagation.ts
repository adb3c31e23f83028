import type { TypeUrl } from '../../envoy/resource.ts';
import type { Mesh } from '../../mesh/mesh.ts';
import type { ObjectKey } from '../../mesh/object-key.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { DirtyObjects, Propagation, ResourceRejection } from '../../xds/ledger.ts';
import type { PatchReport } from '../../xds/proxy-class.ts';
import type { RolloutReport } from '../../xds/rollout/rollout-report.ts';
import type { PropagationSource, PropagationTotal } from '../propagation-source.ts';
import type { ObjectLine, ReplicaLine } from './replica-line.ts';

/** What a connected replica has said; kept while it is connected. */
export interface ReplicaCounts {
  /** Takes in a line. Throws when the replica tells of more objects than there can be. */
  take(line: ReplicaLine): void;
  /** The replica is gone, and its proxies leave the denominator. */
  leave(): void;
}

interface Row extends ObjectLine {
  /** By this process's clock. */
  readonly pendingSince: number | undefined;
}

interface Replica {
  readonly rows: Map<ObjectKey, Row>;
  /** It has told of every object it has: from then on its silence on one means something. */
  isSynced: boolean;
}

export interface MergedPropagationOptions {
  /** This replica's own counts. */
  readonly local: PropagationSource;
  /** Which generations this replica has: what the others are compared with. */
  readonly mesh: Mesh;
  readonly clock: Clock;
}

const listLimit = 5;
/** Objects that one replica may tell of: several times what a cluster's API server can hold. */
const objectLimit = 200_000;
/** Changes of other replicas are told on this often at most, in milliseconds. */
const gatherMs = 20;

/**
 * The counts of this replica and of those connected to it: one true total. A replica that has an older generation of an object, or
 * has not heard of it yet, keeps the object from counting as served; what its proxies have acknowledged is not what was asked for.
 */
export class MergedPropagation implements PropagationSource {
  readonly #options: MergedPropagationOptions;
  readonly #replicas = new Set<Replica>();
  readonly #listeners = new Set<(objects: DirtyObjects) => void>();
  readonly #unsubscribe: () => void;
  #dirty = new Set<ObjectKey>();
  #isAllDirty = false;
  #cancelTelling: (() => void) | undefined;

  constructor(options: MergedPropagationOptions) {
    this.#options = options;
    this.#unsubscribe = options.local.onDirty((objects) => this.#tell(objects));
  }

  /** Replicas that are counted besides this one. */
  get replicas(): number {
    let synced = 0;
    for (const { isSynced } of this.#replicas) if (isSynced) synced++;
    return synced;
  }

  propagation(object: ObjectKey): PropagationTotal {
    const own = this.#options.local.propagation(object);
    if (this.#replicas.size === 0) return own;
    const parts: Pick<
      Propagation,
      'affected' | 'acked' | 'rejected' | 'pending' | 'rejections' | 'laggards' | 'pendingSince' | 'rollout' | 'patches'
    >[] = [own];
    let lagging = false;
    for (const { rows, isSynced } of this.#replicas) {
      const row = rows.get(object);
      // One that is still telling what it has is as one that is not there yet.
      if (!isSynced) continue;
      const isCurrent = this.#isCurrent(object, row);
      lagging ||= !isCurrent;
      if (row)
        parts.push(
          isCurrent ? countsOf(row) : { ...countsOf(row), acked: 0, rejected: 0, rejections: [], pending: row.affected },
        );
    }
    const sum = (count: 'affected' | 'acked' | 'rejected' | 'pending') => parts.reduce((total, part) => total + part[count], 0);
    const patches = mergePatches(parts.flatMap((part) => part.patches ?? []));
    const rollout = mergeRollouts(parts.flatMap((part) => part.rollout ?? []));
    const byWait = parts
      .filter(({ pending }) => pending > 0)
      .sort((a, b) => (a.pendingSince ?? Infinity) - (b.pendingSince ?? Infinity));
    return {
      affected: sum('affected'),
      acked: sum('acked'),
      rejected: sum('rejected'),
      pending: sum('pending'),
      rejections: mergeRejections(parts.flatMap(({ rejections }) => rejections)),
      laggards: byWait.flatMap(({ laggards }) => laggards).slice(0, listLimit),
      pendingSince: byWait[0]?.pendingSince,
      revision: own.revision,
      current: own.current,
      ...(lagging && { lagging }),
      ...(rollout && { rollout }),
      ...(patches && { patches }),
    };
  }

  onDirty(listener: (objects: DirtyObjects) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes in another replica; it counts from its `synced` on. */
  join(): ReplicaCounts {
    const replica: Replica = { rows: new Map(), isSynced: false };
    this.#replicas.add(replica);
    return {
      take: (line) => this.#take(replica, line),
      leave: () => {
        if (this.#replicas.delete(replica) && replica.isSynced) this.#tellSoon('all');
      },
    };
  }

  /** Tells no one any more. */
  close(): void {
    this.#unsubscribe();
    this.#cancelTelling?.();
    this.#listeners.clear();
  }

  #take(replica: Replica, line: ReplicaLine): void {
    switch (line.type) {
      case 'object': {
        if (replica.rows.size >= objectLimit && !replica.rows.has(line.key))
          throw new Error(`it counts for more than ${objectLimit} objects`);
        const pendingSince = line.pendingForMs === undefined ? undefined : this.#options.clock.now() - line.pendingForMs;
        replica.rows.set(line.key, { ...line, pendingSince });
        if (replica.isSynced) this.#tellSoon(line.key);
        break;
      }
      case 'gone':
        replica.rows.delete(line.key);
        if (replica.isSynced) this.#tellSoon(line.key);
        break;
      case 'synced':
        replica.isSynced = true;
        this.#tellSoon('all');
        break;
      case 'heartbeat':
    }
  }

  /** Whether the replica speaks of the object as this one has it, or of a later generation. */
  #isCurrent(object: ObjectKey, row: Row | undefined): boolean {
    const verdict = this.#options.mesh.verdicts.get(object);
    if (!verdict) return row === undefined || (row.generation === undefined && row.served);
    return row?.generation !== undefined && row.served && row.uid === verdict.uid && row.generation >= verdict.generation;
  }

  #tellSoon(object: ObjectKey | 'all'): void {
    if (object === 'all') this.#isAllDirty = true;
    else this.#dirty.add(object);
    this.#cancelTelling ??= this.#options.clock.setTimer(() => {
      this.#cancelTelling = undefined;
      const objects = this.#dirty;
      const isAll = this.#isAllDirty;
      this.#dirty = new Set();
      this.#isAllDirty = false;
      // Not every listener looks at all objects when told of all: those that are known to have moved are named.
      if (objects.size > 0) this.#tell(objects);
      if (isAll) this.#tell('all');
    }, gatherMs);
  }

  #tell(objects: DirtyObjects): void {
    for (const listener of this.#listeners) listener(objects);
  }
}

function countsOf(row: Row) {
  const { affected, acked, rejected, pending, pendingSince, laggards = [], rollout, patches } = row;
  const rejections = (row.rejections ?? []).map((rejection) => ({ ...rejection, typeUrl: rejection.typeUrl as TypeUrl }));
  return {
    affected,
    acked,
    rejected,
    pending,
    rejections,
    laggards,
    pendingSince,
    ...(rollout && { rollout: rollout as RolloutReport }),
    ...(patches && {
      patches: { classes: patches.classes, matched: new Set(patches.matched), failed: new Map(patches.failed) },
    }),
  };
}

/** What matches for the proxies of one replica matches. */
function mergePatches(reports: readonly PatchReport[]): PatchReport | undefined {
  if (reports.length <= 1) return reports[0];
  return {
    classes: reports.reduce((sum, { classes }) => sum + classes, 0),
    matched: new Set(reports.flatMap(({ matched }) => [...matched])),
    failed: new Map(reports.flatMap(({ failed }) => [...failed])),
  };
}

/** Refused on one replica is refused everywhere, by whoever can say why; a trial lasts until it is over on all of them. */
function mergeRollouts(reports: readonly RolloutReport[]): RolloutReport | undefined {
  const quarantined = reports.filter((report) => report.stage === 'quarantined');
  if (quarantined.length > 0) return quarantined.find(({ refusal }) => refusal) ?? quarantined[0];
  const trials = reports.filter((report) => report.stage === 'trial');
  return trials[0] && { ...trials[0], proxies: trials.reduce((sum, { proxies }) => sum + proxies, 0) };
}

/** One entry for each resource, those of most proxies first. */
function mergeRejections(rejections: readonly ResourceRejection[]): ResourceRejection[] {
  const merged = new Map<string, ResourceRejection>();
  for (const rejection of rejections) {
    const key = `${rejection.typeUrl} ${rejection.resource}`;
    const known = merged.get(key);
    const lastSeen = Math.max(known?.lastSeen ?? 0, rejection.lastSeen);
    merged.set(key, known ? { ...known, proxies: known.proxies + rejection.proxies, lastSeen } : rejection);
  }
  return [...merged.values()].sort((a, b) => b.proxies - a.proxies).slice(0, listLimit);
}
