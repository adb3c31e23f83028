import { type Document, isAlias, isMap, isScalar, isSeq, type Node, type Pair } from 'yaml';

/**
 * Offset of the place that the segments name: a scalar's value, otherwise the field's key or the list entry. Where the place does not
 * exist (a field that is missing), that of the nearest one above it which does.
 */
export function locate(document: Document, segments: readonly (string | number)[], preferKey: boolean): number {
  let node = document.contents as Node | null;
  let offset = node?.range?.[0] ?? 0;
  for (const segment of segments) {
    if (isAlias(node)) node = node.resolve(document) ?? null;
    if (isMap(node)) {
      const pair = node.items.find((candidate) => keyOf(candidate) === String(segment));
      if (!pair) return offset;
      const value = pair.value as Node | null;
      const key = pair.key as Node | null;
      const pointAt = isScalar(value) && value.range && !preferKey && value.value !== null ? value : (key ?? value);
      offset = pointAt?.range?.[0] ?? offset;
      node = value;
    } else if (isSeq(node)) {
      const entry = node.items[Number(segment)] as Node | undefined;
      if (!entry) return offset;
      offset = entry.range?.[0] ?? offset;
      node = entry;
    } else {
      return offset;
    }
  }
  return offset;
}

function keyOf({ key }: Pair): string | undefined {
  return isScalar(key) ? String(key.value) : undefined;
}
