import { isDeepStrictEqual } from 'node:util';
import type { JsonValue } from '@bufbuild/protobuf';

/** One difference: what stood at a path before, what stands there now; absent: nothing. */
export interface Difference {
  readonly at: string;
  readonly before?: JsonValue;
  readonly after?: JsonValue;
}

/** What makes one JSON value into another, as deep inside as it can be told. Of lists, what both have stays. */
export function diffJson(before: JsonValue | undefined, after: JsonValue | undefined, at = ''): Difference[] {
  if (isDeepStrictEqual(before, after)) return [];
  if (Array.isArray(before) && Array.isArray(after)) return diffLists(before, after, at);
  if (isObject(before) && isObject(after) && before['@type'] === after['@type']) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return keys.flatMap((key) => diffJson(before[key], after[key], at === '' ? key : `${at}.${key}`));
  }
  return [{ at, ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) }];
}

function diffLists(before: readonly JsonValue[], after: readonly JsonValue[], at: string): Difference[] {
  const differences: Difference[] = [];
  let [from, to] = [0, 0];
  // Between two items that both lists have: as many on both sides are the same items changed.
  for (const [stayed, now] of [...common(before, after), [before.length, after.length] as const]) {
    const [gone, come] = [before.slice(from, stayed), after.slice(to, now)];
    if (gone.length === come.length) {
      differences.push(...gone.flatMap((item, index) => diffJson(item, come[index], `${at}[${to + index}]`)));
    } else {
      differences.push(...gone.map((item, index) => ({ at: `${at}[${from + index}]`, before: item })));
      differences.push(...come.map((item, index) => ({ at: `${at}[${to + index}]`, after: item })));
    }
    [from, to] = [stayed + 1, now + 1];
  }
  return differences;
}

/** The longest sequence of items that both lists have, as pairs of their indexes. */
function common(before: readonly JsonValue[], after: readonly JsonValue[]): [number, number][] {
  const lengths = Array.from({ length: before.length + 1 }, () => new Array<number>(after.length + 1).fill(0));
  for (let row = before.length - 1; row >= 0; row--) {
    for (let column = after.length - 1; column >= 0; column--) {
      lengths[row]![column] = isDeepStrictEqual(before[row], after[column])
        ? lengths[row + 1]![column + 1]! + 1
        : Math.max(lengths[row + 1]![column]!, lengths[row]![column + 1]!);
    }
  }
  const pairs: [number, number][] = [];
  for (let [row, column] = [0, 0]; row < before.length && column < after.length; ) {
    if (isDeepStrictEqual(before[row], after[column])) pairs.push([row++, column++]);
    else if (lengths[row + 1]![column]! >= lengths[row]![column + 1]!) row++;
    else column++;
  }
  return pairs;
}

function isObject(value: JsonValue | undefined): value is { [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
