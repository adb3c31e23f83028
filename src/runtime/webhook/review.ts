import type { AdmissionRequest, AdmissionResponse } from './admission.ts';

/** A question as it came. */
export interface Review {
  /** The answer must have the same. */
  readonly apiVersion: string;
  readonly request: AdmissionRequest;
}

/** The versions of AdmissionReview; they have the same shape. */
const versions = ['admission.k8s.io/v1', 'admission.k8s.io/v1beta1'];

/** Reads the JSON of an AdmissionReview. Throws, saying what is wrong, if it is none with a request. */
export function parseReview(text: string): Review {
  let review: { apiVersion?: unknown; kind?: unknown; request?: Partial<AdmissionRequest> } | null;
  try {
    review = JSON.parse(text);
  } catch (cause) {
    throw new Error(`the body is not JSON: ${(cause as Error).message}`, { cause });
  }
  const { apiVersion, kind, request } = review ?? {};
  if (kind !== 'AdmissionReview' || !versions.includes(apiVersion as string))
    throw new Error(`the body is not an AdmissionReview of ${versions.join(' or ')}, but ${apiVersion} ${kind}`);
  if (typeof request?.uid !== 'string' || request.uid === '' || typeof request.operation !== 'string')
    throw new Error('the AdmissionReview has no request with a uid and an operation');
  return { apiVersion: apiVersion as string, request: request as AdmissionRequest };
}

/** The AdmissionReview that answers the question. */
export function formatReview({ apiVersion, request }: Review, answer: AdmissionResponse): object {
  const { warnings, auditAnnotations } = answer;
  const response = {
    uid: request.uid,
    ...verdict(answer),
    ...(warnings?.length && { warnings }),
    ...(auditAnnotations && { auditAnnotations }),
  };
  return { apiVersion, kind: 'AdmissionReview', response };
}

function verdict(answer: AdmissionResponse): object {
  switch (answer.type) {
    case 'allowed':
      return { allowed: true };
    case 'patched':
      if (answer.patch.length === 0) return { allowed: true };
      return { allowed: true, patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(answer.patch)).toString('base64') };
    case 'denied':
      return { allowed: false, status: { code: 403, reason: 'Forbidden', message: answer.message } };
    case 'errored':
      return { allowed: false, status: { code: answer.code, message: answer.message } };
  }
}
