import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClusterSchema } from '../../envoy/gen/envoy/config/cluster/v3/cluster_pb.js';
import { PartialMessage, touchedFields } from './partial-message.ts';

const cluster = create(ClusterSchema, {
  name: 'a',
  connectTimeout: { seconds: 1n },
  perConnectionBufferLimitBytes: 5,
  lbConfig: { case: 'ringHashLbConfig', value: { minimumRingSize: 3n } },
  edsClusterConfig: { serviceName: 'b' },
  metadata: { filterMetadata: { istio: { x: 1 } } },
  respectDnsTtl: true,
  altStatName: 'c',
});
const bytes = toBinary(ClusterSchema, cluster);
const numbers = ClusterSchema.fields.map(({ number }) => number);

describe('PartialMessage', () => {
  it('gives the whole message back, whichever fields were read', () => {
    fc.assert(
      fc.property(fc.subarray(numbers), (fields) => {
        const partial = new PartialMessage(ClusterSchema, bytes, new Set(fields));
        expect(partial.encode()).toEqual(bytes);
      }),
      { numRuns: 50 },
    );
  });

  it('writes what was changed as if all of it had been read', () => {
    const fields = new Set([ClusterSchema.field.altStatName.number, ClusterSchema.field.dnsRefreshRate.number]);
    const partial = new PartialMessage(ClusterSchema, bytes, fields);
    expect(partial.message).toMatchObject({ name: '', altStatName: 'c' });
    const whole = fromBinary(ClusterSchema, bytes);
    for (const message of [partial.message, whole]) {
      message.altStatName = 'longer';
      message.dnsRefreshRate = create(ClusterSchema, { dnsRefreshRate: { seconds: 9n } }).dnsRefreshRate!;
    }
    expect(partial.encode()).toEqual(toBinary(ClusterSchema, whole));
  });

  it('keeps fields that the schema does not know', () => {
    const unknown = new Uint8Array([...bytes, 0xfa, 0x3f, 1, 7]);
    expect(new PartialMessage(ClusterSchema, unknown, new Set([1])).encode()).toEqual(unknown);
  });
});

describe('touchedFields', () => {
  it('are those that are set, and the others of their oneof', () => {
    const value = create(ClusterSchema, { altStatName: 'x', lbConfig: { case: 'maglevLbConfig', value: {} } });
    const names = ClusterSchema.fields
      .filter(({ number }) => touchedFields(ClusterSchema, value).has(number))
      .map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['alt_stat_name', 'maglev_lb_config', 'ring_hash_lb_config']));
    expect(names).not.toContain('name');
  });
});
