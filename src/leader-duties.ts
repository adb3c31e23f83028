import { readFile } from 'node:fs/promises';
import { meshKinds } from './api/index.ts';
import { type Authority, waitForCertificate } from './authority/authority.ts';
import type { ControlPlane } from './control-plane.ts';
import { sleep } from './runtime/abort.ts';
import { EventRecorder } from './runtime/events/event-recorder.ts';
import { eachTerm } from './runtime/manager/each-term.ts';
import type { Manager } from './runtime/manager/manager.ts';
import { CertWatcher } from './runtime/webhook/cert-watcher.ts';
import { ObjectEvents } from './status/object-events.ts';
import { Follower } from './status/replication/follower.ts';
import { podTokens, type ReplicaCredential, replicaAudience, sharedToken } from './status/replication/replica-credential.ts';
import { ReplicaHub } from './status/replication/replica-hub.ts';
import { StatusPort } from './status/status-port.ts';
import { StatusWriter } from './status/status-writer.ts';
import { Withdrawal } from './status/withdrawal.ts';
import { TokenReviewer } from './xds/auth/token-reviewer.ts';

/** Who reports Events, as `kubectl describe` names it. */
const reportingController = 'weft.dev/operator';

/** How replicas find each other. */
export interface Replication {
  /** Where this replica listens for the others, when it leads. */
  readonly bind: { readonly host: string; readonly port: number };
  /** `host:port` under which they reach it. */
  readonly advertised: string;
  /** Who has it may say what proxies have acknowledged: the same secret on every replica, or each pod's own token in a file. */
  readonly credential: { readonly type: 'shared'; readonly token: string } | { readonly type: 'pod'; readonly file: string };
  /** Default: plain HTTP, and the token is not sent beyond loopback. */
  readonly tls?: ReplicationTls;
  /** Send the token in the clear over a network, too. Default false. */
  readonly allowPlaintext?: boolean;
}

/** What replicas show to each other: files in PEM, read again when they change, or what the operator's authority has issued. */
export type ReplicationTls = {
  /** The name in the others' certificates. Default: the host by which they are reached. */
  readonly serverName?: string;
} & (
  | { readonly type: 'files'; readonly caFile: string; readonly certificateFile: string; readonly keyFile: string }
  | { readonly type: 'authority' }
);

/** How long replicas that know of a new leader may take to connect and tell what they have, in milliseconds. */
const replicasTellMs = 1500;

/**
 * Joins this replica to the others: it streams its counts to the leader, and takes theirs while it leads itself.
 * @param authority needed by `tls` of that type
 */
export function addReplication(
  manager: Manager,
  plane: ControlPlane,
  identity: string,
  replication: Replication,
  authority?: Authority,
): void {
  const { clock, logger } = manager;
  const { bind, allowPlaintext } = replication;
  const { mesh, xds, merged } = plane;
  const credential = credentialOf(manager, replication);
  const tls = tlsOf(manager, replication, authority);
  const hub = new ReplicaHub({ merged, credential, clock, logger });
  const port = new StatusPort({
    ...{ name: 'replica port', flag: '--replica-bind', bind, routes: new Map(), upgrade: hub.accept },
    ...(tls && { certificates: tls.certificates }),
  });
  manager.add(
    !authority ? port : { name: port.name, group: port.group, start: (signal) => startCertified(port, authority, signal) },
  );
  manager.add(hub);
  const leader = () => manager.leader;
  manager.add(new Follower({ mesh, ledger: xds.ledger, identity, leader, credential, tls, allowPlaintext, clock, logger }));
}

/** The manager does not wait for this port: the first certificate comes from a leader, who is elected after all ports are open. */
async function startCertified(port: StatusPort, { certificates }: Authority, signal: AbortSignal): Promise<void> {
  await waitForCertificate(certificates, signal);
  if (!signal.aborted) await port.start(signal);
}

function credentialOf({ rest, clock }: Manager, { credential }: Replication): ReplicaCredential {
  if (credential.type === 'shared') return sharedToken(credential.token);
  return podTokens({ file: credential.file, reviewer: new TokenReviewer({ rest, audiences: [replicaAudience], clock }) });
}

function tlsOf(manager: Manager, { tls }: Replication, authority: Authority | undefined) {
  if (!tls) return undefined;
  const { clock, logger } = manager;
  const serverName = tls.serverName === undefined ? {} : { serverName: tls.serverName };
  if (tls.type === 'authority') {
    if (!authority) throw new Error('replicas are to use the certificates of an authority that there is none of');
    const readCa = async () => {
      if (authority.trust.current === undefined) throw new Error('there is no authority yet');
      return authority.trust.current;
    };
    return { certificates: authority.certificates, readCa, ...serverName };
  }
  const certificates = new CertWatcher({ ...tls, clock, logger });
  manager.add(certificates);
  return { certificates, readCa: () => readFile(tls.caFile, 'utf8'), ...serverName };
}

/**
 * Gives the manager what only the leader does: writes to the API server what the stages know. Made anew for each term of leadership.
 * @param isServing whether proxies are served: while the process ends they leave, which is not news of any object
 */
export function addLeaderDuties(
  manager: Manager,
  plane: ControlPlane,
  isServing: () => boolean,
  replication?: Replication,
): void {
  const { mesh, status, merged } = plane;
  const { cache, client, clock, logger } = manager;
  const recorder = new EventRecorder({ client, controller: reportingController, clock, logger });
  const isLeading = () => manager.isLeading && isServing();
  const shared = { cache, client, clock, logger, isLeading, kinds: meshKinds, propagation: merged };
  manager.add(recorder);
  // Before the others have told theirs, a new leader would take its own counts for all there are: it would publish too few, and let
  // go of deleted objects that proxies of other replicas still have.
  const settleMs = replication ? manager.leaderKnownWithinMs + replicasTellMs : 0;
  manager.add(
    eachTerm('status and events', () => ({
      async start(signal) {
        await sleep(clock, settleMs, signal);
        if (signal.aborted) return;
        const writer = new StatusWriter({ ...shared, tracker: status });
        // Events come of what the writer writes, so they listen before it begins.
        const duties = [new ObjectEvents({ writer, recorder }), new Withdrawal({ ...shared, mesh, recorder }), writer];
        await Promise.all(duties.map((duty) => duty.start(signal)));
      },
    })),
  );
}
