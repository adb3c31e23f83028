import { type Finding, formatPath } from '../api/finding.ts';
import type { Mesh } from '../mesh/mesh.ts';
import { findMissingHosts } from '../mesh/missing-hosts.ts';
import { parseObjectKey } from '../mesh/object-key.ts';
import type { ProxyNode } from '../mesh/proxy.ts';
import { selects } from '../mesh/service.ts';
import type { Sidecar } from '../mesh/sidecar.ts';
import type { Rival } from '../mesh/sidecar-index.ts';

/** What stands to be said of a Sidecar beyond its own text. */
export interface SidecarStanding {
  /** Leaves it no workload. */
  readonly rival: Rival | undefined;
  readonly missingHosts: readonly string[];
  readonly selectsNothing: boolean;
  /** Workloads that it selects, and for which an older one is in force. */
  readonly warnings: readonly Finding[];
}

/**
 * Looks at a Sidecar among others.
 * @param proxies connected proxies: workloads too, where no object tells of them
 */
export function judgeSidecar(sidecar: Sidecar, mesh: Mesh, proxies: Iterable<ProxyNode>): SidecarStanding {
  const { rootNamespace } = mesh.config;
  const rival = mesh.sidecars.rivalOf(sidecar, rootNamespace);
  const missingHosts = findMissingHosts(sidecar, mesh.services, rootNamespace);
  const older = rival ? [] : mesh.sidecars.olderSelecting(sidecar);
  /** By winner, the first by name of the workloads that it takes. */
  const taken = new Map<string, string>();
  let selectsNothing = sidecar.workloadSelector !== undefined;
  for (const { name, labels } of workloadsOf(sidecar.namespace, mesh, proxies)) {
    if (!sidecar.workloadSelector || !selects(sidecar.workloadSelector, labels)) continue;
    selectsNothing = false;
    if (!older.length) break;
    const winner = older.find(({ workloadSelector }) => selects(workloadSelector!, labels));
    if (!winner) continue;
    const example = taken.get(winner.key);
    if (example === undefined || name < example) taken.set(winner.key, name);
  }
  return { rival, missingHosts, selectsNothing, warnings: [...taken].map(([winner, example]) => warn(winner, example)) };
}

function* workloadsOf(
  namespace: string,
  mesh: Mesh,
  proxies: Iterable<ProxyNode>,
): Generator<{ readonly name: string; readonly labels: Readonly<Record<string, string>> }> {
  yield* mesh.services.workloadsIn(namespace);
  for (const node of proxies) if (node.namespace === namespace) yield node;
}

function warn(winner: string, example: string): Finding {
  const { namespace, name } = parseObjectKey(winner);
  const segments = ['spec', 'workloadSelector'];
  const message = `Sidecar ${namespace}/${name} selects some of the same workloads, such as ${example}; it is older and in force there`;
  return { severity: 'warning', path: formatPath(segments), segments, message };
}
