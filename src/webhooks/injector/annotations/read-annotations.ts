import { shown } from '../../../api/structure.ts';
import { InjectionRefusal } from '../injection.ts';
import { type AnnotationName, annotationTable, ignoredAnnotations } from './table.ts';
import { BadValue } from './values.ts';

/** The annotations that a pod has of those in the table, read. */
export type Annotations = { readonly [Name in AnnotationName]?: ReturnType<(typeof annotationTable)[Name]> };

/** Annotations under these that Weft does not know are slips, or of a later version. */
const ownPrefixes = [
  'sidecar.istio.io/',
  'traffic.sidecar.istio.io/',
  'inject.istio.io/',
  'status.sidecar.istio.io/',
  'readiness.status.sidecar.istio.io/',
];

/** What the injector itself writes under them. */
const writtenAnnotations: ReadonlySet<string> = new Set(['sidecar.istio.io/status']);

/**
 * Reads all of a pod's annotations that concern injection.
 * Throws an {@link InjectionRefusal} that names every bad one with its value.
 */
export function readAnnotations(texts: Readonly<Record<string, string>>): { values: Annotations; warnings: string[] } {
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  const warnings: string[] = [];
  for (const [name, text] of Object.entries(texts)) {
    if (Object.hasOwn(annotationTable, name)) {
      try {
        values[name] = annotationTable[name as AnnotationName](text);
      } catch (error) {
        if (!(error instanceof BadValue)) throw error;
        problems.push(badAnnotation(name, text, error.message));
      }
    } else if (Object.hasOwn(ignoredAnnotations, name)) {
      warnings.push(`annotation ${name} has no effect: ${ignoredAnnotations[name]}`);
    } else if (!writtenAnnotations.has(name) && ownPrefixes.some((prefix) => name.startsWith(prefix))) {
      warnings.push(`annotation ${name} is not known and has no effect`);
    }
  }
  if (problems.length) throw new InjectionRefusal(problems.join('; '));
  const read = values as Annotations;
  for (const field of read['proxy.istio.io/config']?.ignored ?? [])
    warnings.push(`annotation proxy.istio.io/config: ${field} has no effect`);
  return { values: read, warnings };
}

/** How a refusal names an annotation and its value. */
export function badAnnotation(name: string, value: string, reason: string): string {
  return `invalid value ${shown(value)} for annotation ${name}: ${reason}`;
}
