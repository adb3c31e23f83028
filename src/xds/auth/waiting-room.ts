/** How much may wait to be let in, in all and of one address. */
export interface WaitingRoomLimits {
  readonly streams: number;
  /** Of what they sent along to be let in. */
  readonly sizeBytes: number;
  /** One address may have one part of so many. */
  readonly parts: number;
}

/** A start of the control plane brings every proxy of a large mesh at once; behind one address there may be a node's or a balancer's many. */
export const defaultWaitingRoomLimits: WaitingRoomLimits = { streams: 20_000, sizeBytes: 32 * 1024 * 1024, parts: 4 };

interface Load {
  streams: number;
  sizeBytes: number;
}

/** Counts the streams of which nobody knows yet whose they are, so that strangers cannot take all the room. */
export class WaitingRoom {
  readonly #limits: WaitingRoomLimits;
  readonly #all: Load = { streams: 0, sizeBytes: 0 };
  readonly #byAddress = new Map<string, Load>();

  /** @param limits default {@link defaultWaitingRoomLimits} */
  constructor(limits: WaitingRoomLimits = defaultWaitingRoomLimits) {
    this.#limits = limits;
  }

  /** Takes a stream in that holds so much. Answers the way out, which may be taken more than once; undefined: there is no room for it. */
  enter(address: string, sizeBytes: number): (() => void) | undefined {
    const { parts } = this.#limits;
    const own = this.#byAddress.get(address) ?? { streams: 0, sizeBytes: 0 };
    if (!this.#fits(this.#all, sizeBytes, 1) || !this.#fits(own, sizeBytes, parts)) return undefined;
    this.#byAddress.set(address, own);
    for (const load of [this.#all, own]) add(load, 1, sizeBytes);
    let isInside = true;
    return () => {
      if (!isInside) return;
      isInside = false;
      for (const load of [this.#all, own]) add(load, -1, -sizeBytes);
      if (own.streams === 0) this.#byAddress.delete(address);
    };
  }

  #fits(load: Load, sizeBytes: number, parts: number): boolean {
    const { streams, sizeBytes: mostBytes } = this.#limits;
    return load.streams + 1 <= streams / parts && load.sizeBytes + sizeBytes <= mostBytes / parts;
  }
}

function add(load: Load, streams: number, sizeBytes: number): void {
  load.streams += streams;
  load.sizeBytes += sizeBytes;
}
