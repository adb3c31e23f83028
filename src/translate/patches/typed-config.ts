import {
  create,
  type DescMessage,
  fromBinary,
  type JsonObject,
  type JsonValue,
  type Message,
  toBinary,
} from '@bufbuild/protobuf';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import { envoyTypes } from '../../envoy/registry.ts';
import { type MergeOptions, mergeMessages } from './merge-messages.ts';

/** The two names under which a TypedStruct goes: a message by its type's name and its JSON form. */
const typedStructs: ReadonlySet<string> = new Set(['xds.type.v3.TypedStruct', 'udpa.type.v1.TypedStruct']);

interface TypedStruct extends Message {
  typeUrl: string;
  value?: JsonObject;
}

/** The full name of the message in an Any: `envoy.extensions.filters.http.lua.v3.Lua`. */
export function messageName(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
}

/** Whether one `typed_config` can be merged into the other: they hold the same type of message. */
export function isSameType(target: Any, source: Any): boolean {
  return describe(target) === describe(source);
}

/** What type a `typed_config` holds, for messages; of a TypedStruct, the type that it stands for. */
export function describe(config: Any): string {
  const name = messageName(config.typeUrl);
  if (!typedStructs.has(name)) return name;
  const { typeUrl } = fromBinary(schemaOf(name), config.value) as TypedStruct;
  return `${name} of ${messageName(typeUrl)}`;
}

/**
 * Merges what a patch says of a `typed_config` into it, inside the message that it holds; the result is a new Any.
 * A TypedStruct is merged as the message that it stands for would be: objects inside one another, lists appended.
 * Throws where the two hold different types.
 */
export function mergeTypedConfigs(target: Any, source: Any, options: MergeOptions = {}): Any {
  if (!isSameType(target, source)) {
    throw new Error(`the patch's typed_config is ${describe(source)}, that of the configuration is ${describe(target)}`);
  }
  const name = messageName(target.typeUrl);
  const schema = schemaOf(name);
  const merged = fromBinary(schema, target.value);
  const patch = fromBinary(schema, source.value);
  if (typedStructs.has(name)) {
    const [into, from] = [merged as TypedStruct, patch as TypedStruct];
    into.value = mergeJson(into.value ?? {}, from.value ?? {}, options) as JsonObject;
  } else mergeMessages(schema, merged, patch, options);
  return create(AnySchema, { typeUrl: target.typeUrl, value: toBinary(schema, merged) });
}

function mergeJson(target: JsonValue, source: JsonValue, options: MergeOptions): JsonValue {
  if (Array.isArray(target) && Array.isArray(source)) return options.replacesLists ? source : [...target, ...source];
  if (!isObject(target) || !isObject(source)) return source;
  const merged: JsonObject = { ...target };
  for (const [key, value] of Object.entries(source)) {
    const before = Object.hasOwn(merged, key) ? merged[key]! : undefined;
    // Defined, not assigned: a key may be `__proto__`.
    Object.defineProperty(merged, key, {
      value: before === undefined ? value : mergeJson(before, value, options),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return merged;
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function schemaOf(name: string): DescMessage {
  const schema = envoyTypes().getMessage(name);
  if (!schema) throw new Error(`${name} is not a message that Weft knows, so nothing can be merged into it`);
  return schema;
}
