import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Printed, runCommand } from '../testing/run-command.ts';
import { addAnalyzeCommand } from './analyze.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weft-analyze-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** What the command prints of a file with these objects. */
async function analyze(objects: string, ...flags: string[]): Promise<Printed> {
  const file = join(folder, 'mesh.yaml');
  writeFileSync(file, objects);
  return runCommand(addAnalyzeCommand, ['analyze', file, ...flags], folder);
}

const others = `
{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: deny, namespace: shop}, spec: {}}
---
{apiVersion: security.istio.io/v1beta1, kind: PeerAuthentication, metadata: {name: strict, namespace: shop}, spec: {mtls: {mode: STRICT}}}
---
{apiVersion: security.istio.io/v1, kind: RequestAuthentication, metadata: {name: jwt, namespace: shop}, spec: {}}
---
{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: web, namespace: shop}, spec: {}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web}}
`;

it('warns of policies, which are not enforced, and notes what else is not read', async () => {
  const { stdout, stderr, error } = await analyze(others);
  expect(stdout.split('\n')).toEqual([
    '/mesh.yaml:2: warning: security.istio.io/v1 AuthorizationPolicy is not enforced by Weft: what it forbids is let through',
    '/mesh.yaml:4: warning: security.istio.io/v1beta1 PeerAuthentication is not enforced by Weft: what it forbids is let through',
    '/mesh.yaml:6: warning: security.istio.io/v1 RequestAuthentication is not enforced by Weft: what it forbids is let through',
    '/mesh.yaml:8: note: networking.istio.io/v1 VirtualService is not read by Weft',
    '/mesh.yaml:10: note: v1 Pod is not read by Weft',
    '',
  ]);
  expect(stderr).toBe('0 objects in 1 files: 0 errors, 3 warnings\n');
  expect(error).toBeUndefined();
});

it('counts a policy among the warnings that may fail a pipeline, not a kind that is only noted', async () => {
  const [policy, , , virtualService] = others.split('---');
  expect((await analyze(policy!, '--warnings-as-errors')).error).toBe('the analysis found problems');
  expect((await analyze(virtualService!, '--warnings-as-errors')).error).toBeUndefined();
});

it('says the same in JSON', async () => {
  const { stdout } = await analyze(others, '-o', 'json');
  expect(JSON.parse(stdout)).toMatchObject({
    diagnostics: [],
    problems: [],
    ignoredKinds: [
      { severity: 'warning', kind: 'AuthorizationPolicy', file: '/mesh.yaml', line: 2 },
      { severity: 'warning', kind: 'PeerAuthentication' },
      { severity: 'warning', kind: 'RequestAuthentication' },
      { severity: 'note', kind: 'VirtualService', message: 'is not read by Weft' },
      { severity: 'note', kind: 'Pod' },
    ],
  });
});
