import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { Place } from './finding.ts';

/** Reports every deviation of a value from a schema's structure at and below a place. */
export type StructureCheck = (value: unknown, place: Place) => void;

const typeNames = {
  object: 'a map of fields',
  array: 'a list',
  string: 'a string',
  integer: 'an integer',
  boolean: 'true or false',
};

/** The JSON schema keywords that Weft's schemas use; everything else is either annotation or for the API server alone. */
export interface SchemaNode {
  type?: keyof typeof typeNames;
  nullable?: boolean;
  properties?: Record<string, SchemaNode>;
  required?: readonly string[];
  additionalProperties?: false | SchemaNode;
  items?: SchemaNode;
  enum?: readonly string[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  maxProperties?: number;
  pattern?: string;
}

/**
 * Compiles a schema once. Values that fit cost one pass of generated code; only those that do not are walked again to say
 * what is wrong. Wrong types, enums, limits and missing fields are errors, unknown fields are warnings.
 */
export function compileStructure(schema: TSchema): StructureCheck {
  const fast = Compile(schema);
  return (value, place) => {
    if (!fast.Check(value)) explainStructure(schema, value, place);
  };
}

/** The slow half of {@link compileStructure}: walks value and schema together and reports in the order of the schema's fields. */
export function explainStructure(schema: TSchema, value: unknown, place: Place): void {
  explain(schema as SchemaNode, value, place);
}

function explain(schema: SchemaNode, value: unknown, place: Place): void {
  if (value === null && schema.nullable) return;
  if (schema.type === 'object' && isRecord(value)) explainObject(schema, value, place);
  else if (schema.type === 'array' && Array.isArray(value)) explainArray(schema, value, place);
  else if (schema.type === 'string' && typeof value === 'string') explainString(schema, value, place);
  else if (schema.type === 'integer' && Number.isInteger(value)) explainNumber(schema, value as number, place);
  else if (schema.type === 'boolean' && typeof value === 'boolean') return;
  else if (schema.type) place.error(`must be ${typeNames[schema.type]}, found ${describe(value)}`);
}

function explainObject(schema: SchemaNode, value: Record<string, unknown>, place: Place): void {
  for (const name of schema.required ?? []) {
    if (!Object.hasOwn(value, name) || value[name] === undefined) place.at(name).error('is required');
  }
  const keys = Object.keys(value);
  if (schema.maxProperties !== undefined && keys.length > schema.maxProperties) {
    place.error(`has ${keys.length} entries, at most ${schema.maxProperties} are allowed`);
  }
  for (const key of keys) {
    if (value[key] === undefined) continue;
    const property = schema.properties && Object.hasOwn(schema.properties, key) ? schema.properties[key] : undefined;
    if (property) explain(property, value[key], place.at(key));
    else if (schema.additionalProperties) explain(schema.additionalProperties, value[key], place.at(key));
    else if (schema.additionalProperties === false)
      place.at(key).warning(unknownField(key, Object.keys(schema.properties ?? {})));
  }
}

function explainArray(schema: SchemaNode, value: readonly unknown[], place: Place): void {
  const { minItems = 0, maxItems = Number.POSITIVE_INFINITY, items } = schema;
  if (value.length < minItems)
    place.error(`must have at least ${minItems} ${minItems === 1 ? 'entry' : 'entries'}, has ${value.length}`);
  if (value.length > maxItems) place.error(`has ${value.length} entries, at most ${maxItems} are allowed`);
  if (!items) return;
  for (const [index, item] of value.entries()) explain(items, item, place.at(index));
}

function explainString(schema: SchemaNode, value: string, place: Place): void {
  const { minLength = 0, maxLength = Number.POSITIVE_INFINITY } = schema;
  if (schema.enum && !schema.enum.includes(value)) {
    place.error(`must be one of ${schema.enum.join(', ')}; found ${shown(value)}`);
    return;
  }
  // Code points are only counted where UTF-16 units could be too many: there are never fewer units than code points.
  if (value.length > maxLength && [...value].length > maxLength) {
    place.error(`is ${[...value].length} characters long, at most ${maxLength} are allowed`);
  }
  if (value.length < minLength) place.error(minLength === 1 ? 'must not be empty' : `must have at least ${minLength} characters`);
  else if (schema.pattern && !new RegExp(schema.pattern).test(value)) {
    place.error(`${shown(value)} does not have the form ${schema.pattern}`);
  }
}

function explainNumber(schema: SchemaNode, value: number, place: Place): void {
  const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY } = schema;
  if (value < minimum || value > maximum) place.error(`must be between ${minimum} and ${maximum}, found ${value}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value as a person would name it: its type, and its content where that is short. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return 'nothing (null)';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  if (typeof value === 'string') return `the string ${shown(value)}`;
  return `${value}`;
}

/** A string in quotes, cut where it is too long for a line of a terminal. */
export function shown(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}

function unknownField(name: string, known: readonly string[]): string {
  const near =
    known.find((candidate) => candidate.toLowerCase() === name.replaceAll('_', '').toLowerCase()) ?? nearest(name, known);
  return `unknown field, it has no effect${near ? `; did you mean ${near}?` : ''}`;
}

function nearest(name: string, known: readonly string[]): string | undefined {
  if (name.length > 40) return undefined;
  let best: string | undefined;
  let bestDistance = Math.min(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(name, candidate);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const replaced = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, previous[column]! + 1, current[column - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}
