import type { KubernetesObject } from '../../../runtime/object.ts';
import type { ResourceKind } from '../../../runtime/resource-kind.ts';
import type { Finding, Validate } from '../diagnostic.ts';
import type { LoadOptions } from '../file-loader.ts';

/** A kind of the shape of Istio's, with rules simple enough for tests of the source. */
export interface TestEntry extends KubernetesObject {
  spec: { value: string; ports?: { number: number }[] };
}

export const entryKind: ResourceKind<TestEntry> = {
  group: 'networking.istio.io',
  version: 'v1',
  servedVersions: ['v1', 'v1beta1', 'v1alpha3'],
  kind: 'ServiceEntry',
  plural: 'serviceentries',
  scope: 'Namespaced',
};

/** `spec.value` must be a string, `spec.ports[].number` a port; other fields of spec are unknown. */
export const validateEntry: Validate = (_kind, object) => {
  const findings: Finding[] = [];
  const finding = (severity: Finding['severity'], path: string, segments: (string | number)[], message: string) =>
    findings.push({ severity, path, segments, message });
  const spec = ((object as { spec?: unknown }).spec ?? {}) as Record<string, unknown>;
  if (spec.value === undefined) finding('error', 'spec.value', ['spec', 'value'], 'is required');
  else if (typeof spec.value !== 'string') finding('error', 'spec.value', ['spec', 'value'], 'must be a string');
  const ports = Array.isArray(spec.ports) ? spec.ports : [];
  for (const [index, port] of ports.entries()) {
    if (!(port.number > 0 && port.number < 65_536)) {
      finding('error', `spec.ports[${index}].number`, ['spec', 'ports', index, 'number'], 'must be a port');
    }
  }
  for (const key of Object.keys(spec)) {
    if (key !== 'value' && key !== 'ports') finding('warning', `spec.${key}`, ['spec', key], 'is unknown');
  }
  return findings;
};

export const entryOptions: LoadOptions = { kinds: [entryKind], validate: validateEntry };

/** A document that defines an entry. */
export function entryText(name: string, value: string, extra = ''): string {
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: ${name}
  namespace: ns
spec:
  value: "${value}"
${extra}`;
}

/** Several documents as one file. */
export function joinDocuments(...documents: string[]): string {
  return documents.join('---\n');
}
