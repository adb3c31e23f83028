import type { TSchema } from 'typebox';
import type { SchemaNode } from './structure.ts';

/**
 * Takes fields that are null out of a value, in place, where the schema does not allow null: what an API server does before it looks
 * at an object, so that `endpoints: null` is as if nothing were written. Entries of lists stay (they are then found to be wrong).
 */
export function pruneNulls(schema: TSchema, value: unknown): void {
  prune(schema as SchemaNode, value);
}

function prune(schema: SchemaNode, value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    if (schema.items) for (const item of value) prune(schema.items, item);
    return;
  }
  const fields = value as Record<string, unknown>;
  for (const [key, field] of Object.entries(fields)) {
    const known = schema.properties && Object.hasOwn(schema.properties, key) ? schema.properties[key] : undefined;
    const node = known ?? (schema.additionalProperties || undefined);
    if (!node) continue;
    if (field === null && !node.nullable) delete fields[key];
    else prune(node, field);
  }
}
