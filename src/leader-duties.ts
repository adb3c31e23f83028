import { meshKinds } from './api/index.ts';
import type { ControlPlane } from './control-plane.ts';
import { EventRecorder } from './runtime/events/event-recorder.ts';
import { eachTerm } from './runtime/manager/each-term.ts';
import type { Manager } from './runtime/manager/manager.ts';
import { ObjectEvents } from './status/object-events.ts';
import { StatusWriter } from './status/status-writer.ts';
import { Withdrawal } from './status/withdrawal.ts';

/** Who reports Events, as `kubectl describe` names it. */
const reportingController = 'weft.dev/operator';

/** Gives the manager what only the leader does: writes to the API server what the stages know. Made anew for each term of leadership. */
export function addLeaderDuties(manager: Manager, { mesh, status, xds }: ControlPlane): void {
  const { cache, client, clock, logger } = manager;
  const recorder = new EventRecorder({ client, controller: reportingController, clock, logger });
  const isLeading = () => manager.isLeading;
  const shared = { cache, client, clock, logger, isLeading, kinds: meshKinds, propagation: xds.ledger };
  manager.add(recorder);
  manager.add(
    eachTerm('status and events', () => ({
      async start(signal) {
        const writer = new StatusWriter({ ...shared, tracker: status });
        // Events come of what the writer writes, so they listen before it begins.
        const duties = [new ObjectEvents({ writer, recorder }), new Withdrawal({ ...shared, mesh, recorder }), writer];
        await Promise.all(duties.map((duty) => duty.start(signal)));
      },
    })),
  );
}
