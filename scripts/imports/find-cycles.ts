/**
 * The circles in a graph of files: for each group of files that reach one another, a shortest way round through its first file.
 * @param edges what each file imports; files that are not keys are ends
 * @returns each circle without its repeated end, groups in the order of their first file
 */
export function findCycles(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const cycles: string[][] = [];
  const reported = new Set<string>();
  for (const start of [...edges.keys()].sort()) {
    if (reported.has(start)) continue;
    const cycle = shortestWayBack(edges, start);
    if (!cycle) continue;
    cycles.push(cycle);
    const reachable = reachableFrom(edges, start);
    for (const file of reachable) if (reachableFrom(edges, file).has(start)) reported.add(file);
  }
  return cycles;
}

function shortestWayBack(edges: ReadonlyMap<string, readonly string[]>, start: string): string[] | undefined {
  const cameFrom = new Map<string, string>();
  const queue = [start];
  for (const file of queue) {
    for (const next of edges.get(file) ?? []) {
      if (next === start) return pathTo(file, cameFrom, start);
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, file);
      queue.push(next);
    }
  }
  return undefined;
}

function pathTo(file: string, cameFrom: ReadonlyMap<string, string>, start: string): string[] {
  const path = [file];
  while (path[0] !== start) path.unshift(cameFrom.get(path[0]!)!);
  return path;
}

function reachableFrom(edges: ReadonlyMap<string, readonly string[]>, start: string): Set<string> {
  const seen = new Set([start]);
  for (const file of seen) for (const next of edges.get(file) ?? []) seen.add(next);
  return seen;
}
