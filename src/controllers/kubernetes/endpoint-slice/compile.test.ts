import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type EndpointSlice, endpointSliceKind, type SliceEndpoint } from '../../../api/kubernetes/endpoint-slice.ts';
import type { ServicePort } from '../../../mesh/service.ts';
import { arbitraryEndpointSlice } from '../../../testing/arbitrary-kubernetes.ts';
import { compileEndpoints } from './compile.ts';

const ports: ServicePort[] = [
  { number: 80, name: 'http', protocol: 'HTTP' },
  { number: 9090, name: 'grpc', protocol: 'GRPC' },
];

const slice = (name: string, endpoints: SliceEndpoint[], overrides: Partial<EndpointSlice> = {}): EndpointSlice =>
  endpointSliceKind.slim({
    metadata: { name, namespace: 'shop' },
    addressType: 'IPv4',
    ports: [
      { name: 'http', port: 8080 },
      { name: 'grpc', port: 9090 },
    ],
    endpoints,
    ...overrides,
  });
const pod = (name: string) => ({ kind: 'Pod', namespace: 'shop', name });
const compile = (...slices: EndpointSlice[]) => compileEndpoints(slices, ports, 'Service/shop/s', () => undefined);

describe('endpoints of slices', () => {
  it.each([
    [undefined, undefined],
    [{ ready: true, serving: true, terminating: false }, undefined],
    // As the API server's controller writes it for publishNotReadyAddresses.
    [{ ready: true, serving: false, terminating: true }, undefined],
    [{ ready: false, serving: false, terminating: false }, 'unready'],
    [{ ready: false }, 'unready'],
    [{ ready: false, serving: true, terminating: true }, 'withheld'],
    [{ ready: false, serving: false, terminating: true }, 'withheld'],
  ])('conditions %j: %s', (conditions, health) => {
    expect(compile(slice('a', [{ addresses: ['10.0.0.1'], ...(conditions ? { conditions } : {}) }]))[0]?.health).toBe(health);
  });

  it('a pod of both families is one endpoint, known by its IPv4 address; what has no pod is one for each address', () => {
    const endpoints = compile(
      slice('v6', [{ addresses: ['FD00::0:1'], targetRef: pod('p') }, { addresses: ['fd00::2'] }], { addressType: 'IPv6' }),
      slice('v4', [{ addresses: ['10.0.0.1'], targetRef: pod('p') }, { addresses: ['10.0.0.2', '10.0.0.3'] }]),
    );
    expect(endpoints.map(({ address, additionalAddresses }) => [address, additionalAddresses])).toEqual([
      ['10.0.0.1', ['fd00::1']],
      ['10.0.0.2', undefined],
      ['10.0.0.3', undefined],
      ['fd00::2', undefined],
    ]);
  });

  it('a pod that two slices list is one endpoint, with the better health and the ports of both', () => {
    const there = { addresses: ['10.0.0.1'], targetRef: pod('p') };
    const endpoints = compile(
      slice('a', [{ ...there, conditions: { ready: false, terminating: true } }], { ports: [{ name: 'http', port: 8080 }] }),
      slice('b', [{ ...there, conditions: { ready: false } }], { ports: [{ name: 'grpc', port: 9999 }] }),
    );
    expect(endpoints).toEqual([
      {
        address: '10.0.0.1',
        ports: { http: 8080, grpc: 9999 },
        labels: {},
        weight: 1,
        health: 'unready',
        owner: 'Service/shop/s',
      },
    ]);
  });

  it('a port that the slice does not have, or has for UDP or without a number, is not served', () => {
    const only = (slicePorts: EndpointSlice['ports']) =>
      compile(slice('a', [{ addresses: ['10.0.0.1'] }], { ports: slicePorts }))[0]?.ports;
    expect(only([{ name: 'http', port: 8080 }])).toEqual({ http: 8080, grpc: 0 });
    expect(only([{ name: 'http' }, { name: 'grpc', port: 1, protocol: 'UDP' }])).toEqual({ http: 0, grpc: 0 });
  });

  it('host names are left alone', () => {
    expect(compile(slice('a', [{ addresses: ['a.example.com'] }], { addressType: 'FQDN' }))).toEqual([]);
  });

  it('do not depend on the order in which slices come', () => {
    const slices = fc.uniqueArray(arbitraryEndpointSlice as fc.Arbitrary<EndpointSlice>, {
      maxLength: 3,
      selector: ({ metadata }) => metadata.name,
    });
    fc.assert(
      fc.property(slices, (list) => {
        expect(compile(...list.toReversed())).toEqual(compile(...list));
      }),
    );
  });
});
