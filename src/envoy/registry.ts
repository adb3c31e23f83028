import { readFileSync } from 'node:fs';
import { createFileRegistry, type FileRegistry, fromBinary, type JsonObject, toJson } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import type { Resource } from './resource.ts';

let registry: FileRegistry | undefined;

/** Every message of Envoy's v3 API, for reading any `typed_config`. Loaded on first use (0.1 s), then kept. */
export function envoyTypes(): FileRegistry {
  registry ??= createFileRegistry(
    fromBinary(FileDescriptorSetSchema, readFileSync(new URL('./gen/descriptors.binpb', import.meta.url))),
  );
  return registry;
}

/** A resource in protobuf's JSON form, by the field names of Envoy's documentation (`snake_case`). */
export function resourceToJson(resource: Pick<Resource, 'typeUrl' | 'value'>): JsonObject {
  const types = envoyTypes();
  const schema = types.getMessage(resource.typeUrl.slice(resource.typeUrl.lastIndexOf('/') + 1));
  if (!schema) throw new Error(`${resource.typeUrl} is not a message of Envoy's v3 API`);
  return toJson(schema, fromBinary(schema, resource.value), { registry: types, useProtoFieldName: true }) as JsonObject;
}
