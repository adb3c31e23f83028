import { type Finding, formatFinding, hasErrors, meshKindOf } from '../../api/index.ts';
import { checkObject } from '../../controllers/check-object.ts';
import { compileObject } from '../../controllers/compile-object.ts';
import type { Compiled } from '../../controllers/fragment-reconciler.ts';
import type { KubernetesObject } from '../../runtime/object.ts';
import { type AdmissionHandler, type AdmissionRequest, allowed, denied, errored } from '../../runtime/webhook/admission.ts';
import { limitWarnings } from '../admission/limit-remarks.ts';
import { whyLeftOut } from '../admission/participation.ts';
import {
  type Claiming,
  findClaimedHosts,
  findIdleSelector,
  findRivalSidecar,
  type Selecting,
  type Surroundings,
} from './surprises.ts';

/** How much of a refusal is said: it ends up on someone's terminal. */
const maxErrors = 20;

/**
 * Answers reviews of the mesh's own kinds with what `weft analyze` would say of the object: refused with all of its errors, or allowed
 * with warnings; with such, too, about what else is there (a host that another object claims, a selector that matches nothing now).
 *
 * An update that leaves the spec as it was is always allowed: an object that was let in before the webhook was there must still be able
 * to lose a finalizer. So is every object of a namespace that takes no part in the mesh: it is another's, an Istio's beside Weft, perhaps.
 * @param takesPart whether objects of a namespace count
 */
export function createValidationHandler(
  surroundings: Surroundings,
  takesPart: (namespace: string, signal: AbortSignal) => Promise<boolean>,
): AdmissionHandler {
  return async (request, { signal }) => {
    const kind = request.kind && meshKindOf(`${request.kind.group}/${request.kind.version}`, request.kind.kind);
    if (!kind || request.subResource || (request.operation !== 'CREATE' && request.operation !== 'UPDATE')) return allowed();
    const object = withPlace(request);
    if (!object) return errored(400, `the review holds no ${kind.kind} with metadata`);
    if (object.metadata.deletionTimestamp !== undefined || isSameSpec(request)) return allowed();

    const { namespace } = object.metadata;
    if (!(await takesPart(namespace, signal))) return allowed({ warnings: [`Weft does not read it: ${whyLeftOut(namespace)}`] });

    const findings = checkObject(kind, object);
    if (hasErrors(findings)) return denied(describe(`${kind.kind} ${namespace}/${object.metadata.name}`, findings));
    const said = [
      ...findings.map(formatFinding),
      ...describeMeaning(compileObject(kind, object), object, surroundings),
      ...findIdleSelector(kind.kind, object as unknown as Selecting, surroundings),
    ];
    return allowed({ warnings: limitWarnings(said, 'weft analyze') });
  };
}

/** What becomes of the object in the mesh as it is. */
function describeMeaning(compiled: Compiled | undefined, object: KubernetesObject, surroundings: Surroundings): string[] {
  if (!compiled) return [];
  if (compiled.outcome === 'unsupported') return [`${formatFinding(compiled.finding)}; the object will not be in force`];
  const claimed = findClaimedHosts(object as KubernetesObject & Claiming, compiled.fragment, surroundings);
  const rival = findRivalSidecar(compiled.fragment, surroundings);
  return [...(compiled.warnings ?? []).map(formatFinding), ...claimed, ...rival];
}

/** The object, with the namespace that the API server is about to put it in; undefined: it is none. */
function withPlace({ object, namespace = '' }: AdmissionRequest): KubernetesObject | undefined {
  const { metadata } = (object ?? {}) as Partial<KubernetesObject>;
  if (typeof metadata !== 'object' || metadata === null) return undefined;
  return { ...(object as KubernetesObject), metadata: { ...metadata, name: metadata.name ?? '', namespace } };
}

function isSameSpec({ operation, object, oldObject }: AdmissionRequest): boolean {
  const specOf = (value: unknown) => JSON.stringify((value as { spec?: unknown } | null | undefined)?.spec);
  return operation === 'UPDATE' && specOf(object) === specOf(oldObject);
}

function describe(name: string, findings: readonly Finding[]): string {
  const errors = findings.filter(({ severity }) => severity === 'error').map(formatFinding);
  const rest = errors.length > maxErrors ? [`and ${errors.length - maxErrors} more`] : [];
  const count = errors.length === 1 ? 'an error' : `${errors.length} errors`;
  return `${name} has ${count}: ${[...errors.slice(0, maxErrors), ...rest].join('; ')}`;
}
