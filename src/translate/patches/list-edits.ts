/** Puts an item before the first that matches; answers whether one did. */
export function insertBefore<T>(list: T[], matches: (item: T) => boolean, item: T): boolean {
  return insertAt(list, list.findIndex(matches), item);
}

/** Puts an item behind the first that matches; answers whether one did. */
export function insertAfter<T>(list: T[], matches: (item: T) => boolean, item: T): boolean {
  const index = list.findIndex(matches);
  return insertAt(list, index < 0 ? index : index + 1, item);
}

/** Puts an item in the place of the first that matches; answers whether one did. */
export function replaceFirst<T>(list: T[], matches: (item: T) => boolean, item: T): boolean {
  const index = list.findIndex(matches);
  if (index < 0) return false;
  list[index] = item;
  return true;
}

/** Takes out every item that matches; answers whether one did. */
export function removeAll<T>(list: T[], matches: (item: T) => boolean): boolean {
  const kept = list.filter((item) => !matches(item));
  if (kept.length === list.length) return false;
  list.splice(0, list.length, ...kept);
  return true;
}

function insertAt<T>(list: T[], index: number, item: T): boolean {
  if (index < 0) return false;
  list.splice(index, 0, item);
  return true;
}
