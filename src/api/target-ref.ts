import Type from 'typebox';
import type { Place } from './finding.ts';
import { celRules, record } from './schema-term.ts';
import { shown } from './structure.ts';

/** Istio's `PolicyTargetReference`. */
export const targetRefSchema = record({
  group: Type.Optional(
    Type.String({
      maxLength: 253,
      pattern: '^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$',
      description: 'API group of the target; empty for the core group.',
    }),
  ),
  kind: Type.String({
    minLength: 1,
    maxLength: 63,
    pattern: '^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$',
    description: 'Kind of the target.',
  }),
  name: Type.String({ minLength: 1, maxLength: 253, description: 'Name of the target.' }),
  namespace: Type.Optional(
    Type.String({
      description: 'Must be empty: targets are looked for in the namespace of this object.',
      crd: celRules({ rule: 'self.size() == 0', message: 'cross namespace referencing is not currently supported' }),
    }),
  ),
});

/** Names an object of the same namespace that a policy is for. */
export type PolicyTargetReference = Type.Static<typeof targetRefSchema>;

const allowed = [
  { group: '', kind: 'Service' },
  { group: 'networking.istio.io', kind: 'ServiceEntry' },
  { group: 'gateway.networking.k8s.io', kind: 'Gateway' },
  { group: 'gateway.networking.k8s.io', kind: 'GatewayClass' },
];

/** Istio's `validatePolicyTargetReference`: a target in the same namespace, of a kind that policies can be attached to. */
export function checkTargetRefs(targetRefs: readonly PolicyTargetReference[] | undefined, place: Place): void {
  for (const [index, { group = '', kind, namespace = '' }] of (targetRefs ?? []).entries()) {
    const at = place.at(index);
    if (namespace !== '')
      at.at('namespace').error(
        `must be empty, found ${shown(namespace)}: targets are looked for in the namespace of this object`,
      );
    if (allowed.some((target) => target.group === (group === 'core' ? '' : group) && target.kind === kind)) continue;
    at.at('kind').error(
      `${shown(group === '' ? kind : `${kind}.${group}`)} cannot be a target; ${allowed.map(formatTarget).join(', ')} can`,
    );
  }
}

function formatTarget({ group, kind }: { group: string; kind: string }): string {
  return group === '' ? kind : `${kind}.${group}`;
}
