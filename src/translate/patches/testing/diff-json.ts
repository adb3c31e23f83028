import { isDeepStrictEqual } from 'node:util';
import type { JsonValue } from '@bufbuild/protobuf';

/** One difference: what stood at a path before, what stands there now; absent: nothing. */
export interface Difference {
  readonly at: string;
  readonly before?: JsonValue;
  readonly after?: JsonValue;
}

/** What makes one JSON value into another, as deep inside as it can be told. Lists are compared from both ends. */
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
  let start = 0;
  while (start < before.length && start < after.length && isDeepStrictEqual(before[start], after[start])) start++;
  let [endBefore, endAfter] = [before.length, after.length];
  while (endBefore > start && endAfter > start && isDeepStrictEqual(before[endBefore - 1], after[endAfter - 1])) {
    endBefore--;
    endAfter--;
  }
  if (endBefore === endAfter) {
    return before
      .slice(start, endBefore)
      .flatMap((item, index) => diffJson(item, after[start + index], `${at}[${start + index}]`));
  }
  return [
    ...before.slice(start, endBefore).map((item, index) => ({ at: `${at}[${start + index}]`, before: item })),
    ...after.slice(start, endAfter).map((item, index) => ({ at: `${at}[${start + index}]`, after: item })),
  ];
}

function isObject(value: JsonValue | undefined): value is { [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
