import { formatFinding } from '../api/finding.ts';
import type { Condition } from '../api/status.ts';
import { anyAddress } from '../mesh/address-claims.ts';
import { parseObjectKey } from '../mesh/object-key.ts';
import { explainPrecedence } from '../mesh/service.ts';
import type { HostOutcome } from '../mesh/service-registry.ts';
import type { Rival } from '../mesh/sidecar-index.ts';
import type { Verdict } from '../mesh/verdict.ts';
import type { Propagation } from '../xds/ledger.ts';
import type { PatchReport } from '../xds/proxy-class.ts';
import type { RolloutReport } from '../xds/rollout/rollout-report.ts';

/** How long a proxy may take to acknowledge before it counts as stale, in milliseconds. */
export const staleAfterMs = 30_000;
/** How long a generation may take to reach its last proxy before it is said to have stalled, in milliseconds. */
export const progressDeadlineMs = 600_000;
/** Of a condition, in characters; the CRDs allow 32,768. */
const maxMessageLength = 4_096;

/** Everything that an object's conditions are decided from, gathered beforehand. */
export interface Gathered {
  readonly verdict: Verdict;
  /** The hosts of a ServiceEntry; empty for other kinds. */
  readonly hosts: readonly HostOutcome[];
  /** An object of the same kind that leaves this one nothing, and why it may. */
  readonly rival: Rival | undefined;
  /** Names that the object refers to and that nothing bears. */
  readonly missingHosts: readonly string[];
  /** The object selects workloads, and there is none. */
  readonly selectsNothing: boolean;
  /** Of an EnvoyFilter: the indexes of the patches that a proxy's configuration could match; a bootstrap's are not among them. */
  readonly matchablePatches: readonly number[];
  readonly propagation: Propagation;
  /** The counts reflect the generation in force. */
  readonly isServed: boolean;
  /** This generation was acknowledged by all before, so proxies that join later do not count against it. */
  readonly wasReady: boolean;
  /** How long the slowest affected proxy has been waited for, and how long the generation has been on its way. */
  readonly longestWaitMs: number;
  readonly ageMs: number;
}

/** A condition before it is stamped with generation and time. */
export type Decision = Pick<Condition, 'type' | 'status'> & { readonly reason: string; message: string };

/** The conditions of an object, in the order of STATUS: each decided by one rule below, from the same gathered facts. */
export function decideConditions(gathered: Gathered): Decision[] {
  const accepted = decideAccepted(gathered);
  const ready = decideReady(gathered, accepted);
  const decisions = [
    accepted,
    decideResolvedRefs(gathered),
    ...decideAddresses(gathered),
    decideProgrammed(gathered, accepted),
    ready,
    ...decideProgress(gathered, accepted, ready),
  ];
  for (const decision of decisions) decision.message = cutText(decision.message, maxMessageLength);
  return decisions;
}

/** The text, or its beginning: what people write into an object comes back in paths, and a status must not grow without end. */
export function cutText(text: string, maxLength: number): string {
  return text.length > maxLength ? `${text.slice(0, maxLength - 1)}…` : text;
}

/** Whether an object is in force, from what it says and what others claim. */
export function decideAccepted({ verdict, hosts, rival }: Pick<Gathered, 'verdict' | 'hosts' | 'rival'>): Decision {
  const decide = (reason: string, message: string, status: 'True' | 'False' = 'False'): Decision => ({
    type: 'Accepted',
    status,
    reason,
    message,
  });
  const errors = verdict.findings.filter(({ severity }) => severity === 'error').map(formatFinding);
  if (verdict.outcome === 'invalid') {
    const inForce =
      verdict.generationInForce === undefined
        ? 'nothing of this object is in force'
        : `generation ${verdict.generationInForce} stays in force`;
    return decide('Invalid', `${list(errors)} (${inForce})`);
  }
  if (verdict.outcome === 'unsupported') return decide('Unsupported', list(errors));
  if (rival) return decide('Conflicted', `${kindAndName(rival.key)} ${rival.why}; it is the one in force`);
  const conflicts = hosts.flatMap(describeConflicts);
  if (conflicts.length) return decide('Conflicted', list(conflicts));
  const warnings = verdict.findings.filter(({ severity }) => severity === 'warning').map(formatFinding);
  return decide(
    'Accepted',
    warnings.length ? `accepted, with warnings: ${list(warnings)}` : 'the object is valid and in force',
    'True',
  );
}

function describeConflicts({ hostname, service, lostHost, lostAddresses }: HostOutcome): string[] {
  const conflicts: string[] = [];
  if (lostHost) {
    const rest = lostHost.servesOwnNamespace ? '; this one serves its own namespace only' : '';
    const why = explainPrecedence(lostHost.winner, service.spec);
    conflicts.push(`host ${hostname} is claimed by ${kindAndName(lostHost.winner.owner)}, ${why}${rest}`);
  }
  for (const { address, port, winner } of lostAddresses) {
    const place = address === anyAddress ? `port ${port} without an address` : `address ${address} port ${port}`;
    conflicts.push(`${place} (host ${hostname}) is claimed by ${kindAndName(winner.owner)}, which is older and wins`);
  }
  return conflicts;
}

function decideResolvedRefs({ hosts, missingHosts, selectsNothing, matchablePatches, propagation }: Gathered): Decision {
  const decide = (reason: string, message: string, status: 'True' | 'False' = 'False'): Decision => ({
    type: 'ResolvedRefs',
    status,
    reason,
    message,
  });
  // A name is wrong whoever is there; workloads may yet come.
  if (missingHosts.length) return decide('HostNotFound', `nothing visible from here bears the name ${list(missingHosts)}`);
  if (selectsNothing)
    return decide('NoMatchingWorkloads', `no workload matches the workloadSelector${hosts.length ? ' in this namespace' : ''}`);
  const idle = propagation.patches ? describeIdlePatches(propagation.patches, matchablePatches) : [];
  if (idle.length) return decide('PatchTargetNotFound', list(idle));
  return decide('ResolvedRefs', 'everything that the object refers to was found', 'True');
}

/** The patches that change nothing for any proxy that the EnvoyFilter selects, and why. */
function describeIdlePatches({ matched, failed }: PatchReport, indexes: readonly number[]): string[] {
  const name = (index: number) => `spec.configPatches[${index}]`;
  return indexes.flatMap((index) => {
    const error = failed.get(index);
    if (error !== undefined) return [`${name(index)} could not be applied: ${error}`];
    return matched.has(index) ? [] : [`${name(index)} matches nothing in the configuration of any proxy that it is for`];
  });
}

function decideAddresses({ hosts }: Gathered): Decision[] {
  const wanting = hosts.filter(({ service }) => service.spec.wantsAddresses);
  if (!wanting.length) return [];
  const without = wanting.filter(({ isExhausted }) => isExhausted).map(({ hostname }) => hostname);
  if (without.length) {
    return [
      {
        type: 'AddressAllocated',
        status: 'False',
        reason: 'AddressPoolExhausted',
        message: `no automatic address is left for ${list(without)}; widen the pool or set spec.addresses`,
      },
    ];
  }
  return [
    { type: 'AddressAllocated', status: 'True', reason: 'AddressAllocated', message: 'every host has its automatic addresses' },
  ];
}

function decideProgrammed({ propagation, isServed, verdict }: Gathered, accepted: Decision): Decision {
  const decide = (reason: string, message: string, status: 'True' | 'False'): Decision => ({
    type: 'Programmed',
    status,
    reason,
    message,
  });
  if (verdict.generationInForce === undefined) return decide('Pending', `not served: ${accepted.reason}`, 'False');
  if (!isServed) return decide('Pending', 'the change is being computed', 'False');
  const { rollout } = propagation;
  if (rollout?.stage === 'quarantined')
    return decide('Quarantined', explainQuarantine(rollout, verdict.generationInForce), 'False');
  if (rollout?.stage === 'trial') return decide('Pending', explainTrial(rollout, verdict.generationInForce), 'False');
  if (propagation.affected === 0) return decide('NoAffectedProxies', 'no connected proxy needs this object', 'True');
  return decide('Programmed', `generation ${verdict.generationInForce} is what proxies are served`, 'True');
}

function explainTrial({ proxies, servedGeneration }: Extract<RolloutReport, { stage: 'trial' }>, generation: number): string {
  const served = `is served ${nameGeneration(servedGeneration)}`;
  if (proxies === 0) return `generation ${generation} waits for its turn to be tried; every proxy ${served}`;
  return `generation ${generation} is on trial with ${proxies === 1 ? '1 proxy' : `${proxies} proxies`}; the rest ${served}`;
}

function explainQuarantine(
  { refusal, message, servedGeneration }: Extract<RolloutReport, { stage: 'quarantined' }>,
  generation: number,
) {
  // What another replica saw is told in its own words already.
  if (!refusal) return message;
  const { proxy, resource } = refusal;
  return `${proxy} refused ${resource} of generation ${generation}: ${message} (every proxy is served ${nameGeneration(servedGeneration)})`;
}

function nameGeneration(generation: number | undefined): string {
  return generation === undefined ? 'nothing of this object' : `generation ${generation}`;
}

function decideReady(gathered: Gathered, accepted: Decision): Decision {
  const { propagation, isServed, wasReady, longestWaitMs, verdict } = gathered;
  const decide = (reason: string, message: string, status: 'True' | 'False' = 'False'): Decision => ({
    type: 'Ready',
    status,
    reason,
    message,
  });
  if (accepted.status === 'False') return decide('NotAccepted', `not accepted: ${accepted.reason}`);
  const [rejection] = propagation.rejections;
  if (propagation.rollout?.stage === 'quarantined' && isServed)
    return decide('ProxyRejected', explainQuarantine(propagation.rollout, verdict.generationInForce ?? verdict.generation));
  if (propagation.rejected > 0) {
    return decide(
      'ProxyRejected',
      `${propagation.rejected} of ${propagation.affected} proxies rejected it${rejection ? `, such as ${rejection.exampleProxy}: ${rejection.message}` : ''}`,
    );
  }
  if (propagation.pending > 0 && longestWaitMs >= staleAfterMs) {
    return decide(
      'ProxiesStale',
      `${propagation.pending} of ${propagation.affected} proxies have not acknowledged for ${Math.round(longestWaitMs / 1000)} s: ${propagation.laggards.join(', ')}`,
    );
  }
  if (!isServed || (propagation.pending > 0 && !wasReady)) {
    return decide(
      'Propagating',
      `${propagation.pending} of ${propagation.affected} proxies have yet to acknowledge generation ${verdict.generation}`,
    );
  }
  return decide('Propagated', describePropagated(propagation, verdict.generation), 'True');
}

function describePropagated({ affected, pending }: Propagation, generation: number): string {
  if (affected === 0) return 'no connected proxy needs this object';
  if (pending > 0)
    return `generation ${generation} had reached every affected proxy; ${pending} that came since have yet to acknowledge it`;
  return `generation ${generation} is acknowledged by every affected proxy`;
}

/** At most one of Reconciling and Stalled, each present only while it holds (kstatus). */
function decideProgress({ ageMs }: Gathered, accepted: Decision, ready: Decision): Decision[] {
  if (ready.status === 'True') return [];
  if (accepted.status === 'False') return [{ type: 'Stalled', status: 'True', reason: 'Invalid', message: accepted.message }];
  if (ready.reason === 'ProxyRejected')
    return [{ type: 'Stalled', status: 'True', reason: 'ProxyRejected', message: ready.message }];
  if (ageMs >= progressDeadlineMs)
    return [{ type: 'Stalled', status: 'True', reason: 'ProgressDeadlineExceeded', message: ready.message }];
  return [{ type: 'Reconciling', status: 'True', reason: ready.reason, message: ready.message }];
}

/** The counts in one line, as the column PROXIES shows them. */
export function summarise({ affected, acked, rejected }: Pick<Propagation, 'affected' | 'acked' | 'rejected'>): string {
  return `${acked}/${affected} acked${rejected ? `, ${rejected} rejected` : ''}`;
}

function kindAndName(key: string): string {
  const { kind, namespace, name } = parseObjectKey(key);
  return `${kind} ${namespace}/${name}`;
}

const shownAtMost = 5;

function list(items: readonly string[]): string {
  const shown = items.slice(0, shownAtMost).join('; ');
  return items.length > shownAtMost ? `${shown}; and ${items.length - shownAtMost} more` : shown;
}
