const isNumber = /^\d+$/;

/**
 * True if the first resource version is surely older: both are numbers, as those of every API server on etcd are, and it is the
 * smaller one. What else they may be says nothing of their order.
 */
export function isOlderVersion(version: string | undefined, than: string | undefined): boolean {
  if (version === undefined || than === undefined || !isNumber.test(version) || !isNumber.test(than)) return false;
  return version.length === than.length ? version < than : version.length < than.length;
}
