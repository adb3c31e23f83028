import { describe, expect, it } from 'vitest';
import { formatFinding } from '../finding.ts';
import { fullWorkloadEntry, workloadEntry } from '../testing/objects.ts';
import { validate } from '../validate.ts';
import { workloadEntryKind } from './kind.ts';

const texts = (spec: unknown) =>
  validate(workloadEntryKind, workloadEntry(spec)).map((found) => `${found.severity} ${formatFinding(found)}`);

describe('WorkloadEntry', () => {
  it.each<[string, object]>([
    ['every field', fullWorkloadEntry],
    ['IPv6', { address: '2001:db8::1' }],
    ['an abstract socket', { address: 'unix://@api' }],
  ])('has no findings: %s', (_, spec) => {
    expect(texts(spec)).toEqual([]);
  });

  it.each<[string, object, RegExp]>([
    ['address', {}, /^error spec.address: is required, unless network is set/],
    ['network instead of an address', { network: 'n' }, /^warning spec.address: is not set/],
    ['neither address nor name', { address: '10.0.0.1:80' }, /^error spec.address: "10.0.0.1:80" is neither an IP address nor/],
    ['bracketed address', { address: '[::1]' }, /^error spec.address: "\[::1\]" is neither/],
    ['directory', { address: 'unix:///dir/' }, /^error spec.address: the socket path "\/dir\/" names a directory/],
    ['socket with ports', { address: 'unix://@a', ports: { http: 80 } }, /^error spec.ports: a Unix domain socket has no ports/],
    [
      'port range',
      { address: '10.0.0.1', ports: { http: 99999 } },
      /^error spec.ports.http: must be between 1 and 65535, found 99999/,
    ],
    ['port name', { address: '10.0.0.1', ports: { '@': 80 } }, /^error spec.ports\["@"\]: "@" is not a port name/],
    ['label', { address: '10.0.0.1', labels: { '-a': 'b' } }, /^error spec.labels\["-a"\]: "-a" is not a label key/],
    [
      'long label key',
      { address: '10.0.0.1', labels: { ['a'.repeat(64)]: 'b' } },
      /^error spec.labels.a+: the name in label key .* is longer than 63/,
    ],
    [
      'long label prefix',
      { address: '10.0.0.1', labels: { [`${'a'.repeat(254)}/b`]: 'b' } },
      /^error spec.labels\["a+\/b"\]: the prefix of label key .* is longer than 253/,
    ],
    ['weight', { address: '10.0.0.1', weight: 1.5 }, /^error spec.weight: must be an integer, found 1.5/],
    [
      'text that is too long',
      { address: '10.0.0.1', serviceAccount: 'a'.repeat(254) },
      /^error spec.serviceAccount: is 254 characters long, at most 253/,
    ],
  ])('checks its %s', (_, spec, expected) => {
    const found = texts(spec);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(expected);
  });
});
