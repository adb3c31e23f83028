import { readFileSync } from 'node:fs';
import { createFileRegistry, fromBinary, type Registry } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';

/** Envoy's message types as `npm run prepare` generates them. */
export function loadEnvoyTypes(): Registry {
  const descriptors = readFileSync(new URL('../../envoy/gen/descriptors.binpb', import.meta.url));
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptors));
}
