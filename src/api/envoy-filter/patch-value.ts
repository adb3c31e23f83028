import {
  type DescField,
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  type Message,
  type Registry,
} from '@bufbuild/protobuf';
import { parseDurationMs } from '../duration.ts';
import type { Place } from '../finding.ts';
import { shown } from '../structure.ts';
import { patchedMessages } from './operations.ts';
import type { ApplyTo } from './schema.ts';

// protobuf readers give up at this depth; it also keeps the walks below from exhausting the stack.
const depthLimit = 100;
const typedStruct = 'type.googleapis.com/xds.type.v3.TypedStruct';

/**
 * Reads a patch's value as the Envoy message that it patches, as leniently as Istio does: fields may be in camel or snake case,
 * durations in Go's notation (`500ms`), and fields that these protos do not know are left out. A `typed_config` of a type that
 * they do not know is wrapped in a TypedStruct, which Envoy turns into the real message itself.
 * Throws an error with the reason if the value does not fit the message.
 */
export function readPatchValue(applyTo: ApplyTo, value: Readonly<Record<string, unknown>>, types: Registry): Message {
  return read(messageOf(applyTo, types), value, types, true);
}

function read(message: DescMessage, value: unknown, types: Registry, ignoreUnknownFields: boolean): Message {
  if (isDeeperThan(value, depthLimit)) throw new Error(`it is nested more than ${depthLimit} levels deep`);
  return fromJson(message, normalise(message, value as JsonValue, types), { registry: types, ignoreUnknownFields });
}

function messageOf(applyTo: ApplyTo, types: Registry): DescMessage {
  const message = types.getMessage(patchedMessages[applyTo]);
  if (!message) throw new Error(`the message ${patchedMessages[applyTo]} is missing from Envoy's types`);
  return message;
}

/**
 * Compares a patch's value with the Envoy message that it patches. What no Envoy could read is an error. What only these protos
 * do not know, a field or a type that may be newer, is a warning: Envoy itself has the last word on it.
 */
export function checkPatchValue(applyTo: ApplyTo, value: Readonly<Record<string, unknown>>, types: Registry, place: Place): void {
  const message = messageOf(applyTo, types);
  if (reportMisfit(message, value, types, place)) return;
  checkTypes(value, types, place);
  place.warning(problemOf(() => read(message, value, types, false)));
}

/** Reports what cannot be read, as deep inside as it can be told; answers whether there is anything. */
function reportMisfit(message: DescMessage, value: unknown, types: Registry, place: Place): boolean {
  const problem = problemOf(() => read(message, value, types, true));
  if (!problem) return false;
  for (const part of partsOf(message, value, types)) {
    if (reportMisfit(part.message, part.value, types, place.at(...part.segments))) return true;
  }
  const keys = isObject(value) && !message.typeName.startsWith('google.protobuf.') ? Object.keys(value) : [];
  const alone = keys.find((key) => problemOf(() => read(message, { [key]: (value as JsonObject)[key] }, types, true)));
  (alone === undefined ? place : place.at(alone)).error(`does not fit Envoy's ${message.typeName}: ${problem}`);
  return true;
}

interface ValuePart {
  readonly message: DescMessage;
  readonly value: unknown;
  readonly segments: readonly (string | number)[];
}

/** The messages directly inside a value. */
function* partsOf(message: DescMessage, value: unknown, types: Registry): Generator<ValuePart> {
  if (!isObject(value)) return;
  if (message.typeName === 'google.protobuf.Any') {
    const { '@type': typeUrl, ...fields } = value;
    const held = typeof typeUrl === 'string' ? messageAt(typeUrl, types) : undefined;
    if (held) yield { message: held, value: fields, segments: [] };
    return;
  }
  if (message.typeName.startsWith('google.protobuf.')) return;
  for (const [key, entry] of Object.entries(value)) {
    const field = fieldsOf(message).get(key);
    if (!field?.message) continue;
    if (field.fieldKind === 'message') yield { message: field.message, value: entry, segments: [key] };
    else if (field.fieldKind === 'list' ? Array.isArray(entry) : isObject(entry)) {
      for (const [at, item] of Object.entries(entry as object)) {
        yield { message: field.message, value: item, segments: [key, field.fieldKind === 'list' ? Number(at) : at] };
      }
    }
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function problemOf(attempt: () => unknown): string | undefined {
  try {
    attempt();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.slice(0, 300) : String(error);
  }
}

function checkTypes(value: unknown, types: Registry, place: Place): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, entry] of Object.entries(value)) {
    const at = place.at(Array.isArray(value) ? Number(key) : key);
    if (key !== '@type') checkTypes(entry, types, at);
    else if (typeof entry === 'string' && !messageAt(entry, types)) {
      if (/(?:^|\/)envoy\..*\.v2(?:alpha\d*)?\./.test(entry))
        at.error(`${shown(entry)} is of Envoy's v2 API, which no Envoy reads any more; use its v3 type`);
      else at.warning(`${shown(entry)} is not a type that Weft knows; it is passed on as it is, and only Envoy can check it`);
    }
  }
}

function messageAt(typeUrl: string, types: Registry): DescMessage | undefined {
  return types.getMessage(typeUrl.slice(typeUrl.lastIndexOf('/') + 1));
}

/** The value with what Istio's reader allows and protobuf's does not brought into protobuf's form. */
function normalise(message: DescMessage, value: JsonValue, types: Registry): JsonValue {
  if (message.typeName === 'google.protobuf.Duration') return typeof value === 'string' ? secondsOf(value) : value;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  if (message.typeName === 'google.protobuf.Any') return normaliseAny(value, types);
  // Struct, wrappers and the like have a JSON form of their own.
  if (message.typeName.startsWith('google.protobuf.')) return value;
  const fields = fieldsOf(message);
  const entries = Object.entries(value).map(([key, entry]): [string, JsonValue] => {
    const field = fields.get(key);
    return [key, field ? normaliseField(field, entry, types) : entry];
  });
  return Object.fromEntries(entries);
}

function normaliseField(field: DescField, value: JsonValue, types: Registry): JsonValue {
  const message = field.message;
  if (!message) return value;
  if (field.fieldKind === 'list' && Array.isArray(value)) return value.map((item) => normalise(message, item, types));
  if (field.fieldKind === 'map' && typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, normalise(message, entry, types)]));
  }
  return field.fieldKind === 'message' ? normalise(message, value, types) : value;
}

function normaliseAny(value: { [key: string]: JsonValue }, types: Registry): JsonValue {
  const { '@type': typeUrl, ...fields } = value;
  if (typeof typeUrl !== 'string' || typeUrl === '') return value;
  const message = messageAt(typeUrl, types);
  if (!message) return { '@type': typedStruct, type_url: typeUrl, value: fields };
  const normalised = normalise(message, fields, types);
  return typeof normalised === 'object' && normalised !== null ? { '@type': typeUrl, ...(normalised as typeof fields) } : value;
}

/** Go's `1m30s` as protobuf's `90s`. Throws for what is none: protobuf-es reads `5sec` as five seconds. */
function secondsOf(text: string): string {
  if (/^-?\d+(?:\.\d{1,9})?s$/.test(text)) return text;
  const durationMs = parseDurationMs(text);
  if (durationMs === undefined) throw new Error(`${shown(text)} is not a duration; write it like 10s, 1m30s or 0.25s`);
  return `${Number((durationMs / 1000).toFixed(9))}s`;
}

const fieldCache = new WeakMap<DescMessage, ReadonlyMap<string, DescField>>();

function fieldsOf(message: DescMessage): ReadonlyMap<string, DescField> {
  let fields = fieldCache.get(message);
  if (!fields) {
    fields = new Map(message.fields.flatMap((field) => [[field.name, field] as const, [field.jsonName, field] as const]));
    fieldCache.set(message, fields);
  }
  return fields;
}

function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((entry) => isDeeperThan(entry, levels - 1));
}
