import { type Finding, formatFinding } from '../api/finding.ts';
import type { Condition, MeshStatus, ServiceEntryStatus, ValidationMessage } from '../api/status.ts';
import { cutText, type Gathered, summarise } from './conditions.ts';

/** The status of any mesh kind; `addresses` for ServiceEntry only. */
export type ObjectStatus = MeshStatus & Pick<ServiceEntryStatus, 'addresses'>;

/** When a generation set out, and when the last affected proxy acknowledged it, in milliseconds since the epoch. */
export interface Journey {
  readonly startedAtMs: number;
  readonly completedAtMs: number | undefined;
}

/** The status subresource of one object, from its conditions and the facts they were decided from. */
export function renderStatus({ verdict, propagation, hosts }: Gathered, conditions: Condition[], journey: Journey): ObjectStatus {
  const addresses = hosts.flatMap(({ hostname, service }) =>
    service.automaticAddresses.map((value) => ({ value, host: hostname })),
  );
  const rejections = propagation.rejections.map(({ typeUrl, resource, proxies, exampleProxy, message, lastSeen }) => ({
    typeUrl,
    resource,
    proxies,
    exampleProxy,
    message,
    lastSeen: timestamp(lastSeen),
  }));
  return {
    observedGeneration: verdict.generation,
    conditions,
    propagation: {
      generation: verdict.generationInForce ?? verdict.generation,
      summary: summarise(propagation),
      affected: propagation.affected,
      acked: propagation.acked,
      rejected: propagation.rejected,
      pending: propagation.pending,
      startedAt: timestamp(journey.startedAtMs),
      ...(journey.completedAtMs === undefined ? {} : { completedAt: timestamp(journey.completedAtMs) }),
      ...(rejections.length ? { rejections } : {}),
      ...(propagation.laggards.length ? { laggards: [...propagation.laggards] } : {}),
    },
    ...(verdict.findings.length ? { validationMessages: verdict.findings.map(validationMessage) } : {}),
    ...(addresses.length ? { addresses } : {}),
  };
}

/** In characters; there may be two hundred of them in a status. */
const maxValidationMessageLength = 1_024;

/** Istio's shape has no field for the text itself: its name carries it. The code is Istio's for a failed schema check. */
function validationMessage(finding: Finding): ValidationMessage {
  const name = cutText(formatFinding(finding), maxValidationMessageLength);
  return { type: { name, code: 'IST0106' }, level: finding.severity === 'error' ? 'ERROR' : 'WARNING' };
}

function timestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
