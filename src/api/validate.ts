import Type from 'typebox';
import type { KubernetesObject } from '../runtime/object.ts';
import { type Finding, FindingList, Place } from './finding.ts';
import type { MeshKind, ValidationContext } from './kind.ts';
import { checkMetadata, metadataSchema } from './metadata.ts';
import { record } from './schema-term.ts';
import { compileStructure, describe, type StructureCheck } from './structure.ts';

const compiled = new WeakMap<object, StructureCheck>();

/**
 * Everything there is to say about an object of a kind, errors and warnings in the order of the fields. Any value may be passed
 * in, parsed from anywhere; nothing is thrown and nothing changed. Semantic rules are only tried on an object whose structure
 * is right, so one mistake does not echo through others. `status` is not looked at: it is the control plane's own.
 */
export function validate(kind: MeshKind, object: unknown, context: ValidationContext = {}): Finding[] {
  const findings = new FindingList();
  const root = new Place(findings);
  checkVersion(kind, object, root);
  structureOf(kind)(object, root);
  if (findings.errorCount === 0) {
    const valid = object as KubernetesObject;
    checkMetadata(valid.metadata, root.at('metadata'));
    const metadata = { ...valid.metadata, namespace: valid.metadata.namespace ?? '' };
    kind.checkSpec({ ...valid, metadata }, root.at('spec'), context);
  }
  return findings.toArray();
}

function structureOf(kind: MeshKind): StructureCheck {
  let check = compiled.get(kind);
  if (!check) {
    check = compileStructure(
      record({
        apiVersion: Type.String(),
        kind: Type.String(),
        metadata: metadataSchema,
        spec: kind.specSchema,
        status: Type.Optional(Type.Unknown()),
      }),
    );
    compiled.set(kind, check);
  }
  return check;
}

function checkVersion(kind: MeshKind, object: unknown, root: Place): void {
  const { apiVersion, kind: name } = (typeof object === 'object' && object !== null ? object : {}) as Record<string, unknown>;
  if (typeof name === 'string' && name !== kind.kind) root.at('kind').error(`must be ${kind.kind}, found ${describe(name)}`);
  const accepted = kind.servedVersions.map((version) => `${kind.group}/${version}`);
  if (typeof apiVersion === 'string' && !accepted.includes(apiVersion)) {
    root.at('apiVersion').error(`must be one of ${accepted.join(', ')}; found ${describe(apiVersion)}`);
  }
}
