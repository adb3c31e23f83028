import { expect, it } from 'vitest';
import { pruneNulls } from './prune-nulls.ts';
import { serviceEntryKind } from './service-entry/kind.ts';
import { sidecarKind } from './sidecar/kind.ts';

it.each([
  ['a field', serviceEntryKind, { hosts: ['a'], endpoints: null }, { hosts: ['a'] }],
  ['inside of lists', serviceEntryKind, { ports: [{ number: 80, targetPort: null }] }, { ports: [{ number: 80 }] }],
  [
    'entries of a map',
    serviceEntryKind,
    { workloadSelector: { labels: { a: null, b: 'c' } } },
    { workloadSelector: { labels: { b: 'c' } } },
  ],
  ['but no entry of a list', serviceEntryKind, { hosts: [null] }, { hosts: [null] }],
  ['nor what the schema does not know', serviceEntryKind, { other: null }, { other: null }],
  [
    'nor what may be null',
    sidecarKind,
    { ingress: [{ tls: { insecureSkipVerify: null, mode: null } }] },
    { ingress: [{ tls: { insecureSkipVerify: null } }] },
  ],
])('takes nulls out: %s', (_, kind, given, expected) => {
  pruneNulls(kind.specSchema, given);
  expect(given).toEqual(expected);
});

it.each([undefined, null, 'text', 7])('leaves %s alone', (value) => {
  expect(() => pruneNulls(serviceEntryKind.specSchema, value)).not.toThrow();
});
