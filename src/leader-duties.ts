import { meshKinds } from './api/index.ts';
import type { ControlPlane } from './control-plane.ts';
import { sleep } from './runtime/abort.ts';
import { EventRecorder } from './runtime/events/event-recorder.ts';
import { eachTerm } from './runtime/manager/each-term.ts';
import type { Manager } from './runtime/manager/manager.ts';
import { CertWatcher } from './runtime/webhook/cert-watcher.ts';
import { ObjectEvents } from './status/object-events.ts';
import type { FollowerTls } from './status/replication/connect-to-leader.ts';
import { Follower } from './status/replication/follower.ts';
import { ReplicaHub } from './status/replication/replica-hub.ts';
import { StatusPort } from './status/status-port.ts';
import { StatusWriter } from './status/status-writer.ts';
import { Withdrawal } from './status/withdrawal.ts';

/** Who reports Events, as `kubectl describe` names it. */
const reportingController = 'weft.dev/operator';

/** How replicas find each other. */
export interface Replication {
  /** Where this replica listens for the others, when it leads. */
  readonly bind: { readonly host: string; readonly port: number };
  /** `host:port` under which they reach it. */
  readonly advertised: string;
  /** The same on every replica: who has it may say what proxies have acknowledged. */
  readonly token: string;
  /** Default: plain HTTP, and the token is not sent beyond loopback. */
  readonly tls?: ReplicationTls;
  /** Send the token in the clear over a network, too. Default false. */
  readonly allowPlaintext?: boolean;
}

/** Files in PEM, read again when they change: certificates are renewed under a running process. */
export interface ReplicationTls extends FollowerTls {
  /** What this replica shows to the others. */
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** How long replicas that know of a new leader may take to connect and tell what they have, in milliseconds. */
const replicasTellMs = 1500;

/** Joins this replica to the others: it streams its counts to the leader, and takes theirs while it leads itself. */
export function addReplication(manager: Manager, plane: ControlPlane, identity: string, replication: Replication): void {
  const { clock, logger } = manager;
  const { bind, token, tls, allowPlaintext } = replication;
  const { mesh, xds, merged } = plane;
  const hub = new ReplicaHub({ merged, token, clock, logger });
  const certificates = tls && new CertWatcher({ ...tls, clock, logger });
  if (certificates) manager.add(certificates);
  const port = { name: 'replica port', flag: '--replica-bind', bind, routes: new Map(), upgrade: hub.accept };
  manager.add(new StatusPort({ ...port, ...(certificates && { certificates }) }));
  manager.add(hub);
  const leader = () => manager.leader;
  manager.add(new Follower({ mesh, ledger: xds.ledger, identity, leader, token, tls, allowPlaintext, clock, logger }));
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
