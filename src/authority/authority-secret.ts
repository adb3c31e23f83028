import type { DeepReadonly, KubernetesObject, ObjectMeta } from '../runtime/object.ts';
import type { ResourceKind } from '../runtime/resource-kind.ts';
import type { AuthorityState, PartialState, RotationRequest } from './authority-state.ts';
import { checkPair, type KeyedCertificate, validityOf } from './certificate.ts';

/** A core/v1 Secret. */
export interface Secret extends KubernetesObject {
  readonly type?: string;
  /** In base64. */
  readonly data?: Readonly<Record<string, string>>;
}

/** Kubernetes' Secret. */
export const secretKind: ResourceKind<Secret> = {
  group: '',
  version: 'v1',
  servedVersions: ['v1'],
  kind: 'Secret',
  plural: 'secrets',
  scope: 'Namespaced',
};

/** On the authority's Secret: asks for a rotation ahead of time, `ca` or `certificate`. The leader removes it. */
export const rotateAnnotation = 'weft.dev/rotate';

/** Keys of the Secret for each part; a certificate alone has no second key. */
const keysOf = {
  ca: ['ca.crt', 'ca.key'],
  nextCa: ['next-ca.crt', 'next-ca.key'],
  serving: ['tls.crt', 'tls.key'],
} as const;
const previousKey = 'previous-ca.crt';

/** What a Secret says: the parts that are usable, and what is wrong with the others. */
export interface ReadSecret {
  readonly state: PartialState;
  /** `KEY: why`; a part that is not there at all is no problem. Nothing of a key's content. */
  readonly problems: readonly string[];
  readonly requested: RotationRequest | undefined;
}

/** Reads the authority from its Secret; a broken part does not take the others with it. */
export function readSecret(secret: DeepReadonly<Secret> | undefined): ReadSecret {
  const problems: string[] = [];
  const text = (key: string) => {
    const value = secret?.data?.[key];
    return value === undefined ? '' : Buffer.from(value, 'base64').toString('utf8');
  };
  const readPair = ([certificateKey, keyKey]: readonly [string, string]): KeyedCertificate | undefined => {
    const pair = { certificate: text(certificateKey), key: text(keyKey) };
    if (pair.certificate === '' && pair.key === '') return undefined;
    try {
      checkPair(pair);
      return pair;
    } catch (error) {
      problems.push(`${certificateKey}, ${keyKey}: ${(error as Error).message}`);
      return undefined;
    }
  };
  const readPrevious = (): string | undefined => {
    const certificate = text(previousKey);
    if (certificate === '') return undefined;
    try {
      validityOf(certificate);
      return certificate;
    } catch (error) {
      problems.push(`${previousKey}: ${(error as Error).message}`);
      return undefined;
    }
  };
  const [ca, nextCa, serving] = [readPair(keysOf.ca), readPair(keysOf.nextCa), readPair(keysOf.serving)];
  const previousCa = readPrevious();
  const state = { ...(ca && { ca }), ...(nextCa && { nextCa }), ...(previousCa && { previousCa }), ...(serving && { serving }) };
  return { state, problems, requested: requestOf(secret, problems) };
}

/** The Secret that holds a state; with `present`, a replacement of just that version, its labels and annotations kept. */
export function writeSecret(
  state: AuthorityState,
  { namespace, name }: { readonly namespace: string; readonly name: string },
  present?: DeepReadonly<Secret>,
): Secret {
  const data: Record<string, string> = {};
  for (const [part, [certificateKey, keyKey]] of Object.entries(keysOf)) {
    const pair = state[part as keyof typeof keysOf];
    if (!pair) continue;
    data[certificateKey] = toBase64(pair.certificate);
    data[keyKey] = toBase64(pair.key);
  }
  if (state.previousCa) data[previousKey] = toBase64(state.previousCa);
  const { [rotateAnnotation]: _, ...annotations } = present?.metadata.annotations ?? {};
  const metadata = {
    ...(present?.metadata as ObjectMeta | undefined),
    ...{ name, namespace, annotations },
    labels: { ...present?.metadata.labels, 'app.kubernetes.io/managed-by': 'weft' },
  };
  return { apiVersion: 'v1', kind: 'Secret', metadata, type: present?.type ?? 'Opaque', data };
}

function requestOf(secret: DeepReadonly<Secret> | undefined, problems: string[]): RotationRequest | undefined {
  const value = secret?.metadata.annotations?.[rotateAnnotation];
  if (value === undefined || value === 'ca' || value === 'certificate') return value;
  problems.push(`annotation ${rotateAnnotation}: ${JSON.stringify(value.slice(0, 50))} is neither "ca" nor "certificate"`);
  return undefined;
}

const toBase64 = (text: string): string => Buffer.from(text).toString('base64');
