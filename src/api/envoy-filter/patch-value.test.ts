import { toJson } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { loadEnvoyTypes } from '../testing/envoy-types.ts';
import { patchedMessages } from './operations.ts';
import { readPatchValue } from './patch-value.ts';
import type { ApplyTo } from './schema.ts';

const types = loadEnvoyTypes();

function json(applyTo: ApplyTo, value: Record<string, unknown>): unknown {
  const message = readPatchValue(applyTo, value, types);
  return toJson(types.getMessage(message.$typeName)!, message, { registry: types });
}

describe('readPatchValue', () => {
  it.each(Object.entries(patchedMessages))('knows the message for %s', (applyTo, message) => {
    expect(readPatchValue(applyTo as ApplyTo, {}, types).$typeName).toBe(message);
  });

  it('takes both spellings of fields and durations of both kinds, at any depth', () => {
    const value = {
      connectTimeout: '500ms',
      eds_cluster_config: { serviceName: 'a' },
      health_checks: [{ timeout: '1m30s', interval: '2.5s', healthy_threshold: 2, unhealthy_threshold: 2 }],
    };
    expect(json('CLUSTER', value)).toEqual({
      connectTimeout: '0.500s',
      edsClusterConfig: { serviceName: 'a' },
      healthChecks: [{ timeout: '90s', interval: '2.500s', healthyThreshold: 2, unhealthyThreshold: 2 }],
    });
  });

  it('reads durations inside of a typed config', () => {
    const type = 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';
    expect(json('NETWORK_FILTER', { name: 'tcp', typed_config: { '@type': type, idle_timeout: '1h' } })).toEqual({
      name: 'tcp',
      typedConfig: { '@type': type, idleTimeout: '3600s' },
    });
  });

  it('hands a type that it does not know to Envoy as a TypedStruct', () => {
    const config = { '@type': 'type.googleapis.com/acme.v1.Filter', limit: 3, nested: { a: [true] } };
    expect(json('HTTP_FILTER', { name: 'acme', typed_config: config })).toEqual({
      name: 'acme',
      typedConfig: {
        '@type': 'type.googleapis.com/xds.type.v3.TypedStruct',
        typeUrl: 'type.googleapis.com/acme.v1.Filter',
        value: { limit: 3, nested: { a: [true] } },
      },
    });
  });

  it('says why a value does not fit', () => {
    expect(() => readPatchValue('CLUSTER', { connect_timeout: 'soon' }, types)).toThrow(/"soon" is not a duration/);
    expect(() => readPatchValue('HTTP_FILTER', { typed_config: { a: 1 } }, types)).toThrow(/"@type"/);
    let deep: unknown = {};
    for (let level = 0; level < 100_000; level++) deep = { metadata: deep };
    expect(() => readPatchValue('CLUSTER', { metadata: deep }, types)).toThrow(/nested more than 100 levels/);
  });
});
