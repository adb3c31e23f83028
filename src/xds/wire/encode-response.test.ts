import { fromBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DeltaDiscoveryResponseSchema,
  DiscoveryResponseSchema,
} from '../../envoy/gen/envoy/service/discovery/v3/discovery_pb.js';
import { type Resource, typeUrls } from '../../envoy/resource.ts';
import { encodeResponse } from './encode-response.ts';
import { varintSize } from './frame.ts';

const resourceOf = fc.record({ name: fc.string(), version: fc.string(), value: fc.uint8Array({ maxLength: 300 }) });
const contentOf = fc.record({
  resources: fc.array(resourceOf),
  removed: fc.array(fc.string({ minLength: 1 })),
  version: fc.string(),
  nonce: fc.string(),
});

function complete(resource: { name: string; version: string; value: Uint8Array }): Resource {
  return { ...resource, typeUrl: typeUrls.route, provenance: [], requires: [] };
}

describe('encodeResponse', () => {
  it('frames what protobuf-es reads back as a DeltaDiscoveryResponse', () => {
    fc.assert(
      fc.property(contentOf, (content) => {
        const resources = content.resources.map(complete);
        const bytes = encodeResponse('delta', { ...content, resources, typeUrl: typeUrls.route, identifier: 'weft' });
        const message = fromBinary(DeltaDiscoveryResponseSchema, bytes);
        expect(message).toMatchObject({
          typeUrl: typeUrls.route,
          nonce: content.nonce,
          systemVersionInfo: content.version,
          removedResources: content.removed,
          controlPlane: { identifier: 'weft' },
        });
        expect(message.$unknown).toBeUndefined();
        const read = message.resources.map(({ name, version, resource }) => ({
          name,
          version,
          type: resource?.typeUrl,
          value: [...resource!.value],
        }));
        expect(read).toEqual(
          resources.map(({ name, version, value }) => ({ name, version, type: typeUrls.route, value: [...value] })),
        );
      }),
    );
  });

  it('frames what protobuf-es reads back as a DiscoveryResponse', () => {
    fc.assert(
      fc.property(contentOf, (content) => {
        const resources = content.resources.map(complete);
        const bytes = encodeResponse('sotw', { ...content, resources, typeUrl: typeUrls.route, identifier: 'weft' });
        const message = fromBinary(DiscoveryResponseSchema, bytes);
        expect(message).toMatchObject({ typeUrl: typeUrls.route, nonce: content.nonce, versionInfo: content.version });
        expect(message.$unknown).toBeUndefined();
        expect(message.resources.map(({ typeUrl, value }) => [typeUrl, [...value]])).toEqual(
          resources.map(({ value }) => [typeUrls.route, [...value]]),
        );
      }),
    );
  });

  it('sizes lengths at the borders of a byte', () => {
    expect([0, 127, 128, 16_383, 16_384, 2 ** 21, 2 ** 32].map(varintSize)).toEqual([1, 1, 2, 2, 3, 4, 5]);
  });
});
