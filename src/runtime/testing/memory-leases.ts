import type { Lease, LeaseApi } from '../leader-election/lease.ts';
import { objectName } from '../object.ts';

/** A call that an in-memory Lease API was asked for. */
export type LeaseCall = 'get' | 'create' | 'update';

/** Leases of one pretended API server: versions and conflicts as the real one has them. */
export class MemoryLeases {
  readonly #leases = new Map<string, Lease>();
  #version = 0;

  /** The Lease as stored. */
  read(name: string): Lease | undefined {
    return structuredClone(this.#leases.get(name));
  }

  /** Writes past every rule, as somebody with kubectl would. */
  write(lease: Lease): void {
    this.#leases.set(objectName(lease), this.#stored(lease));
  }

  /** The API as one candidate reaches it. `fault` may throw, or hang until the signal aborts, before the call has its effect. */
  api(fault: (call: LeaseCall, signal: AbortSignal) => Promise<void> | void = () => {}): LeaseApi {
    return {
      get: async (namespace, name, signal) => {
        await fault('get', signal);
        return this.read(`${namespace}/${name}`);
      },
      create: async (lease, signal) => {
        await fault('create', signal);
        if (this.#leases.has(objectName(lease))) throw new Error(`409: ${objectName(lease)} already exists`);
        this.write(lease);
        return this.read(objectName(lease))!;
      },
      update: async (lease, signal) => {
        await fault('update', signal);
        const present = this.#leases.get(objectName(lease));
        if (!present) throw new Error(`404: ${objectName(lease)} not found`);
        if (present.metadata.resourceVersion !== lease.metadata.resourceVersion)
          throw new Error('409: the object has been modified');
        this.write(lease);
        return this.read(objectName(lease))!;
      },
    };
  }

  #stored(lease: Lease): Lease {
    this.#version++;
    return structuredClone({ ...lease, metadata: { ...lease.metadata, resourceVersion: String(this.#version) } });
  }
}

/** Never answers; rejects when the caller gives up. */
export function hang(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
}
