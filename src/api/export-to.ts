import type { Place } from './finding.ts';
import { isDnsLabel } from './hostname.ts';
import { shown } from './structure.ts';

/**
 * Istio's `validateExportTo` for a ServiceEntry: each entry is a namespace, `.` (its own), `*` (all) or `~` (none); `*` and `~`
 * stand alone; nothing twice, `.` and the own namespace being the same. The namespace may be empty where it is not known yet.
 */
export function checkExportTo(exportTo: readonly string[] | undefined, namespace: string, place: Place): void {
  if (!exportTo) return;
  const seen = new Set<string>();
  for (const [index, entry] of exportTo.entries()) {
    const at = place.at(index);
    const key = entry === '.' && namespace !== '' ? namespace : entry;
    if (seen.has(key))
      at.error(entry === key ? `${shown(entry)} is listed twice` : `'.' and the own namespace ${shown(namespace)} are the same`);
    else if (!['.', '*', '~'].includes(entry) && !isDnsLabel(entry))
      at.error(`${shown(entry)} is neither a namespace nor one of '.', '*' and '~'`);
    seen.add(key);
  }
  if (exportTo.length < 2) return;
  if (seen.has('*')) place.error("'*' exports to every namespace, so it must be the only entry");
  if (seen.has('~')) place.error("'~' exports to no namespace, so it must be the only entry");
}
