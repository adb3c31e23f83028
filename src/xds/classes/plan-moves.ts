import type { Assignment } from './assignment.ts';
import type { Member } from './class-members.ts';
import type { PatchedClass } from './patched-class.ts';

/** Members of a class that belong to another one. */
interface Wish {
  readonly assignment: Assignment;
  readonly members: Member[];
}

/** A class that goes on as another one. */
export interface Rekeying {
  readonly from: PatchedClass;
  readonly to: Assignment;
  /** A smaller class that has been this one; its members move. */
  readonly rival: PatchedClass | undefined;
}

export interface Moves {
  /** In an order in which each finds its key free, but for its rival. */
  readonly rekeyed: readonly Rekeying[];
  /** Who has to join another class, members of rivals not among them. */
  readonly moved: readonly Member[];
}

/** The classes there are. */
export interface ClassIndex {
  /** The class of a key. */
  get(key: string): PatchedClass | undefined;
  /** How many have joined it. */
  membersOf(proxyClass: PatchedClass): number;
}

/**
 * What becomes of the classes of proxies that may belong elsewhere. A class to which no member belongs any more goes on as the one that its
 * members belong to, all of them or those that keep the same bytes, where that has the same base and does not exist, or has fewer members: then
 * those move. Who else belongs elsewhere has to move.
 * @param mayRekey false: everybody who belongs elsewhere moves
 */
export function planMoves(assignments: Iterable<readonly [Member, Assignment]>, classes: ClassIndex, mayRekey: boolean): Moves {
  const moved: Member[] = [];
  const heirs = new Map<PatchedClass, Wish>();
  for (const [from, wishes] of collectWishes(assignments)) {
    const heir = mayRekey ? findHeir(from, wishes, classes) : undefined;
    if (heir) heirs.set(from, heir);
    for (const wish of wishes) if (wish !== heir) moved.push(...wish.members);
  }
  const rekeyed: Rekeying[] = [];
  const holders = new Map<string, PatchedClass | undefined>();
  const holderOf = (key: string) => (holders.has(key) ? holders.get(key) : classes.get(key));
  // One class may take the key that another one gives up.
  for (let before = -1; before < rekeyed.length; ) {
    before = rekeyed.length;
    for (const [from, { assignment, members }] of heirs) {
      const rival = holderOf(assignment.key);
      if (rival && (heirs.has(rival) || classes.membersOf(rival) >= members.length)) continue;
      heirs.delete(from);
      if (holderOf(from.key) === from) holders.set(from.key, undefined);
      holders.set(assignment.key, from);
      rekeyed.push({ from, to: assignment, rival });
    }
  }
  for (const { members } of heirs.values()) moved.push(...members);
  return { rekeyed, moved };
}

function collectWishes(assignments: Iterable<readonly [Member, Assignment]>): Map<PatchedClass, Wish[]> {
  const leaving = new Map<PatchedClass, Wish[]>();
  for (const [member, assignment] of assignments) {
    for (const from of member.classes) {
      if (assignment.key === from.key) continue;
      const wishes = leaving.get(from) ?? [];
      leaving.set(from, wishes);
      const wish = wishes.find((each) => each.assignment.key === assignment.key);
      if (wish) wish.members.push(member);
      else wishes.push({ assignment, members: [member] });
    }
  }
  return leaving;
}

function findHeir(from: PatchedClass, wishes: readonly Wish[], classes: ClassIndex): Wish | undefined {
  const count = wishes.reduce((sum, { members }) => sum + members.length, 0);
  if (count < classes.membersOf(from)) return undefined;
  // A class that is patched on the way would owe those that leave it what they have.
  return wishes.find(
    ({ assignment: { baseKey, filters } }) =>
      baseKey === from.base.key && (wishes.length === 1 || filters.isSameList(from.filters)),
  );
}
