import Type from 'typebox';
import type { Place } from './finding.ts';
import { isDnsLabel } from './hostname.ts';
import { checkLabels, type Labels } from './label.ts';
import { mapOf } from './schema-term.ts';
import { shown } from './structure.ts';

/** The part of `metadata` that Weft reads. Other fields are Kubernetes' business and pass without a word. */
export const metadataSchema = Type.Object({
  name: Type.String(),
  namespace: Type.Optional(Type.String()),
  labels: Type.Optional(mapOf(Type.String())),
  annotations: Type.Optional(mapOf(Type.String())),
});

/** What {@link checkMetadata} looks at. */
export interface CheckedMetadata {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Labels;
}

const subdomain = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;

/**
 * Reports a name, namespace or label that the API server would refuse. An absent or empty namespace is fine: a file's objects
 * get theirs from the source.
 */
export function checkMetadata(metadata: CheckedMetadata, place: Place): void {
  const { name, namespace = '' } = metadata;
  if (name.length > 253 || !subdomain.test(name)) {
    place
      .at('name')
      .error(`${shown(name)} is not an object name: it takes lower-case letters, digits, '-' and '.', at most 253 characters`);
  }
  if (namespace !== '' && !(isDnsLabel(namespace) && namespace === namespace.toLowerCase())) {
    place
      .at('namespace')
      .error(`${shown(namespace)} is not a namespace: it takes lower-case letters, digits and '-', at most 63 characters`);
  }
  checkLabels(metadata.labels, place.at('labels'));
}
