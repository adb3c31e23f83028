import type { AuthorityTimes } from './authority-times.ts';
import { isFor, isIssuedBy, issueCa, issueServing, type KeyedCertificate, type Validity, validityOf } from './certificate.ts';

/** Everything that the authority is: what the replicas share. */
export interface AuthorityState {
  /** Issues certificates. */
  readonly ca: KeyedCertificate;
  /** Is trusted already and will issue certificates once everyone can have heard of it. */
  readonly nextCa?: KeyedCertificate;
  /** The certificate of one that has issued: still trusted, for a server that has not taken its new certificate yet. */
  readonly previousCa?: string;
  /** What all servers of the control plane show, issued by {@link ca}. */
  readonly serving: KeyedCertificate;
}

/** What someone asks to be replaced ahead of time. */
export type RotationRequest = 'ca' | 'certificate';

export interface AdvanceOptions {
  readonly nowMs: number;
  readonly times: AuthorityTimes;
  /** DNS names and IP addresses of the servers. */
  readonly names: readonly string[];
  readonly requested?: RotationRequest;
}

/** The state that should be, why it differs, and when to look again. */
export interface Advanced {
  readonly state: AuthorityState;
  /** What was done, for the log; empty: nothing. */
  readonly changes: readonly string[];
  /** When the next thing falls due, in milliseconds since the epoch. */
  readonly dueAtMs: number;
}

/** What of a stored state is usable: its parts may be missing or broken one by one. */
export type PartialState = { readonly [Part in keyof AuthorityState]?: AuthorityState[Part] };

/**
 * The state that follows from the present one: the same, as long as nothing is due. An authority is replaced in three steps, each
 * `caOverlapMs` apart: the new one is trusted; it issues; the old one is trusted no more. So whoever holds a trust bundle that is
 * younger than the overlap can verify every certificate that is shown.
 */
export async function advance(present: PartialState, options: AdvanceOptions): Promise<Advanced> {
  const { nowMs, times, names, requested } = options;
  const changes: string[] = [];
  const newCa = () => issueCa({ nowMs, lifetimeMs: times.caLifetimeMs });
  let { ca, nextCa, previousCa, serving } = present;

  if (!ca) {
    ca = nextCa ?? (await newCa());
    nextCa = undefined;
    changes.push('a new authority was made');
  }
  const caTime = validityOf(ca.certificate);
  if (!nextCa && (requested === 'ca' || nowMs >= renewalOf(caTime))) {
    nextCa = await newCa();
    changes.push('the next authority was made; it is trusted from now on');
  }
  if (nextCa && (nowMs >= validityOf(nextCa.certificate).issuedAtMs + times.caOverlapMs || nowMs >= caTime.expiresAtMs)) {
    previousCa = ca.certificate;
    ca = nextCa;
    nextCa = undefined;
    changes.push('the next authority issues from now on');
  }
  if (requested === 'certificate' || !serving || !isGood(serving, ca, names, nowMs)) {
    serving = await issueServing(ca, { nowMs, lifetimeMs: times.certificateLifetimeMs, names });
    changes.push('a new serving certificate was issued');
  }
  const forgetAtMs = validityOf(serving.certificate).issuedAtMs + times.caOverlapMs;
  if (previousCa && (nowMs >= forgetAtMs || nowMs >= validityOf(previousCa).expiresAtMs)) {
    previousCa = undefined;
    changes.push('the previous authority is trusted no more');
  }
  const due = [
    renewalOf(validityOf(serving.certificate)),
    nextCa ? validityOf(nextCa.certificate).issuedAtMs + times.caOverlapMs : renewalOf(validityOf(ca.certificate)),
    ...(previousCa ? [forgetAtMs] : []),
  ];
  const state: AuthorityState = { ca, serving, ...(nextCa && { nextCa }), ...(previousCa && { previousCa }) };
  return { state, changes, dueAtMs: Math.min(...due) };
}

/** Whose certificates are to be trusted, in PEM: the present authority first. */
export function trustBundle({ ca, nextCa, previousCa }: AuthorityState): string {
  return [ca.certificate, nextCa?.certificate, previousCa].filter((pem) => pem !== undefined).join('');
}

function isGood(serving: KeyedCertificate, ca: KeyedCertificate, names: readonly string[], nowMs: number): boolean {
  const { certificate } = serving;
  return nowMs < renewalOf(validityOf(certificate)) && isIssuedBy(certificate, ca.certificate) && isFor(certificate, names);
}

/** When two thirds of its time are over. */
function renewalOf({ issuedAtMs, expiresAtMs }: Validity): number {
  return issuedAtMs + ((expiresAtMs - issuedAtMs) * 2) / 3;
}
