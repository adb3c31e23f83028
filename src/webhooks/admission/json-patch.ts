import { createPatch, type Operation, type Pointer } from 'rfc6902';
import type { JsonPatchOperation } from '../../runtime/client/patch.ts';

/**
 * The steps that make `after` of `before`, both JSON. Its time grows with the size of the two, whatever they hold: elements of lists are
 * paired by their `name`, as Kubernetes' lists of containers and volumes are, and other lists are replaced from where they begin to
 * differ, rather than searched for the shortest way.
 */
export function diffObjects(before: unknown, after: unknown): JsonPatchOperation[] {
  return createPatch(before, after, diffLists) as JsonPatchOperation[];
}

/** The library's own way with lists takes time and stack that grow with their lengths multiplied. */
function diffLists(before: unknown, after: unknown, at: Pointer): Operation[] | undefined {
  if (!Array.isArray(before) || !Array.isArray(after)) return undefined;
  return (hasNames(before) && hasNames(after) && pairByName(before, after, at)) || replaceTail(before, after, at);
}

interface Named {
  readonly name: string;
}

function hasNames(list: readonly unknown[]): list is readonly Named[] {
  const names = new Set(list.map((element) => (element as Partial<Named> | null)?.name));
  return names.size === list.length && [...names].every((name) => typeof name === 'string');
}

/** Undefined if elements that stay have changed places. */
function pairByName(before: readonly Named[], after: readonly Named[], at: Pointer): Operation[] | undefined {
  const namesAfter = new Set(after.map(({ name }) => name));
  const stays = before.filter(({ name }) => namesAfter.has(name));
  const operations: Operation[] = [];
  // From the end, so that no step moves what a later one names.
  for (let index = before.length - 1; index >= 0; index--) {
    if (!namesAfter.has(before[index]!.name)) operations.push({ op: 'remove', path: at.add(String(index)).toString() });
  }
  let next = 0;
  for (const [index, element] of after.entries()) {
    const place = at.add(String(index));
    if (stays[next]?.name === element.name) operations.push(...diffAt(stays[next++]!, element, place));
    else operations.push({ op: 'add', path: place.toString(), value: element });
  }
  return next === stays.length ? operations : undefined;
}

function replaceTail(before: readonly unknown[], after: readonly unknown[], at: Pointer): Operation[] {
  const operations: Operation[] = [];
  const common = Math.min(before.length, after.length);
  for (let index = 0; index < common; index++) {
    for (const operation of diffAt(before[index], after[index], at.add(String(index)))) operations.push(operation);
  }
  for (let index = before.length - 1; index >= common; index--)
    operations.push({ op: 'remove', path: at.add(String(index)).toString() });
  for (let index = common; index < after.length; index++)
    operations.push({ op: 'add', path: at.add(String(index)).toString(), value: after[index] });
  return operations;
}

function diffAt(before: unknown, after: unknown, at: Pointer): Operation[] {
  const prefix = at.toString();
  return createPatch(before, after, diffLists).map((operation) => ({ ...operation, path: `${prefix}${operation.path}` }));
}
