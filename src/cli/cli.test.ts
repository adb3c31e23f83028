import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { selectTypes } from './commands/proxy-config.ts';
import { parseHostPort } from './host-port.ts';
import { parseObjectReference } from './object-reference.ts';
import { formatAge, formatTable, parseOutput } from './output.ts';

describe('parseHostPort', () => {
  it.each([
    ['127.0.0.1:15010', { host: '127.0.0.1', port: 15010 }],
    ['[::1]:0', { host: '::1', port: 0 }],
    [':80', { host: '::', port: 80 }],
    ['localhost:1', { host: 'localhost', port: 1 }],
  ])('%s', (text, expected) => {
    expect(parseHostPort(text, '--xds-bind')).toEqual(expected);
  });

  it.each(['15010', '::1:80', 'host:', 'host:70000', 'host:8o'])('%s is refused by name of the flag', (text) => {
    expect(() => parseHostPort(text, '--xds-bind')).toThrow(`--xds-bind ${text}: expected HOST:PORT`);
  });
});

describe('parseObjectReference', () => {
  it.each([
    ['serviceentry/api', { kind: 'ServiceEntry', namespace: 'shop', name: 'api' }],
    ['se/api', { kind: 'ServiceEntry', namespace: 'shop', name: 'api' }],
    ['Sidecars', { kind: 'Sidecar', namespace: 'shop', name: undefined }],
  ])('%s', (text, expected) => {
    expect(parseObjectReference(text, 'shop')).toEqual(expected);
  });

  it.each(['pod/web', 'se/a/b', ''])('%s is refused with the kinds there are', (text) => {
    expect(() => parseObjectReference(text, 'shop')).toThrow('KIND is one of serviceentry, sidecar, envoyfilter, workloadentry');
  });
});

it('formatTable: columns as wide as their widest cell, no trailing blanks', () => {
  expect(
    formatTable([
      ['NAME', 'READY', ''],
      ['a-long-name', 'True', ''],
    ]),
  ).toBe('NAME          READY\na-long-name   True\n');
});

it.each([
  [0, '0s'],
  [119_999, '119s'],
  [121_000, '2m1s'],
  [1_800_000, '30m'],
  [7_260_000, '2h1m'],
  [259_200_000, '3d'],
])('formatAge(%i) is %s', (milliseconds, expected) => {
  expect(formatAge(milliseconds)).toBe(expected);
});

it('selectTypes: one, in singular too, or all', () => {
  expect(selectTypes('cluster').map(([name]) => name)).toEqual(['clusters']);
  expect(selectTypes('all')).toHaveLength(5);
  expect(() => selectTypes('secrets')).toThrow('secrets: expected clusters, endpoints, listeners, routes, ecds or all');
});

it('parseOutput refuses other formats', () => {
  expect(parseOutput('yaml')).toBe('yaml');
  expect(() => parseOutput('wide')).toThrow('-o wide: expected json, yaml or table');
});

it('a reader that has enough, as head, ends a command without a word', async () => {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../bin/weft'), '--help']);
  child.stdout.destroy();
  const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
  expect({ stderr, code }).toEqual({ stderr: '', code: 141 });
});
