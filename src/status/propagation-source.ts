import type { ObjectKey } from '../mesh/object-key.ts';
import type { DirtyObjects, Propagation } from '../xds/ledger.ts';

/** One object's counts, over one replica or over all. */
export type PropagationTotal = Propagation & {
  /** Set while another replica has not taken in the object as this one has it: its proxies may have an older generation. */
  readonly lagging?: boolean;
};

/** Who knows how far objects have got. The ledger of one replica is one, the merged counts of all replicas are another. */
export interface PropagationSource {
  /** The counts of one object now. */
  propagation(object: ObjectKey): PropagationTotal;
  /** Calls `listener` with the objects whose counts may have moved. Returns the way out. */
  onDirty(listener: (objects: DirtyObjects) => void): () => void;
}
