import type { ProxyNode } from '../../mesh/proxy.ts';
import type { InboundInstance } from '../../mesh/proxy-view.ts';
import type { PatchedClass } from './patched-class.ts';

/** A connected proxy, with what is remembered of it. */
export interface Member {
  readonly node: ProxyNode;
  /** The services that it serves; undefined: to be looked up, an address of it was touched. */
  inbound: readonly InboundInstance[] | undefined;
  /** The classes it has joined and not left, each as often as it has: more than one only while it moves. */
  readonly classes: PatchedClass[];
}

/** Who is connected, by namespace and by address: a change names these, and asks no one else. */
export class ClassMembers {
  readonly #byNode = new Map<ProxyNode, Member>();
  readonly #byNamespace = new Map<string, Set<Member>>();
  readonly #byAddress = new Map<string, Set<Member>>();

  get size(): number {
    return this.#byNode.size;
  }

  get(node: ProxyNode): Member | undefined {
    return this.#byNode.get(node);
  }

  /** Everyone. */
  values(): Iterable<Member> {
    return this.#byNode.values();
  }

  in(namespace: string): Iterable<Member> {
    return this.#byNamespace.get(namespace) ?? [];
  }

  at(address: string): Iterable<Member> {
    return this.#byAddress.get(address) ?? [];
  }

  /** The member of a node, taken in if it is a new one. */
  add(node: ProxyNode): Member {
    let member = this.#byNode.get(node);
    if (member) return member;
    member = createMember(node);
    this.#byNode.set(node, member);
    addTo(this.#byNamespace, node.namespace, member);
    for (const address of node.ipAddresses) addTo(this.#byAddress, address, member);
    return member;
  }

  remove(member: Member): void {
    const { node } = member;
    this.#byNode.delete(node);
    removeFrom(this.#byNamespace, node.namespace, member);
    for (const address of node.ipAddresses) removeFrom(this.#byAddress, address, member);
  }
}

function addTo(sets: Map<string, Set<Member>>, key: string, member: Member): void {
  const members = sets.get(key);
  if (members) members.add(member);
  else sets.set(key, new Set([member]));
}

function removeFrom(sets: Map<string, Set<Member>>, key: string, member: Member): void {
  const members = sets.get(key);
  if (members?.delete(member) && !members.size) sets.delete(key);
}

/** A proxy that is in no class. */
export function createMember(node: ProxyNode): Member {
  return { node, inbound: undefined, classes: [] };
}
