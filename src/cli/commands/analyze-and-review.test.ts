import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { formatFinding } from '../../api/index.ts';
import { podKind } from '../../api/kubernetes/pod.ts';
import { workloadEntryKind } from '../../api/workload-entry/kind.ts';
import type { KubernetesObject } from '../../runtime/object.ts';
import type { AdmissionHandler, AdmissionRequest, AdmissionResponse } from '../../runtime/webhook/admission.ts';
import type { Diagnostic } from '../../sources/file/diagnostic.ts';
import { startTestMesh } from '../../testing/load-mesh.ts';
import { meshSurroundings } from '../../webhooks/validator/mesh-surroundings.ts';
import type { Selecting, Surroundings } from '../../webhooks/validator/surprises.ts';
import { createValidationHandler } from '../../webhooks/validator/validation-handler.ts';
import type { MeshProblem } from './load-mesh.ts';

const folder = join(import.meta.dirname, 'testdata/judged');
const weft = join(import.meta.dirname, '../../../bin/weft');
const nameOf = ({ kind, metadata }: KubernetesObject) => `${kind} ${metadata.namespace}/${metadata.name}`;

/** What is said of one object, by either. */
interface Judgement {
  /** What keeps it out of force, or out of the cluster. */
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
  readonly isUnsupported: boolean;
  /** Whoever has what it claims. */
  readonly rivals: readonly string[];
}

/** What `weft analyze` says, as a process of its own. */
async function analyze(): Promise<(name: string) => Judgement> {
  const run = promisify(execFile);
  const { code, stdout } = await run(process.execPath, [weft, 'analyze', folder, '-o', 'json']).then(
    ({ stdout }) => ({ code: 0, stdout }),
    (error: { code: number; stdout: string }) => error,
  );
  expect(code).toBe(1);
  const said = JSON.parse(stdout) as { diagnostics: Diagnostic[]; problems: MeshProblem[] };
  return (object) => {
    const own = said.diagnostics.filter(({ kind, namespace, name }) => `${kind} ${namespace}/${name}` === object);
    const of = (severity: string) =>
      own.filter((each) => each.severity === severity).map(({ path = '', message }) => formatFinding({ path, message } as never));
    const problems = said.problems.filter((problem) => problem.object === object).map(({ message }) => message);
    const unsupported = problems.flatMap((text) => /^Unsupported: (.*)$/.exec(text)?.[1] ?? []);
    const errors = of('error').sort();
    return {
      errors,
      // What is refused is not praised for the rest.
      warnings: errors.length > 0 ? [] : [...of('warning'), ...unsupported].sort(),
      isUnsupported: unsupported.length > 0,
      rivals: problems.flatMap((text) => /^Conflicted: .*?((?:Sidecar|ServiceEntry) [^ ,]+)/.exec(text)?.[1] ?? []),
    };
  };
}

/** What the webhook's answer says. */
function readAnswer(name: string, answer: AdmissionResponse): Judgement {
  const none = { errors: [], warnings: [], isUnsupported: false, rivals: [] };
  if (answer.type === 'denied') {
    const message = new RegExp(`^${name} has (?:an error|\\d+ errors): (.*)$`, 's').exec(answer.message)?.[1];
    return { ...none, errors: message?.split(/; (?=spec[.:])/).sort() ?? [] };
  }
  const said = answer.warnings ?? [];
  const rivalIn = (text: string) =>
    /((?:Sidecar|ServiceEntry) [^ ]+) (?:claims .* too|.*; it is the one in force)/.exec(text)?.[1];
  const outOfForce = '; the object will not be in force';
  return {
    errors: [],
    warnings: said
      .filter((text) => !rivalIn(text))
      .map((text) => text.replace(outOfForce, ''))
      .sort(),
    isUnsupported: said.some((text) => text.endsWith(outOfForce)),
    rivals: said.flatMap((text) => rivalIn(text) ?? []),
  };
}

/** A handler that compares with a mesh in which every selector finds a workload: of pods, files tell nothing. */
function handlerFor(object: KubernetesObject, surroundings: Surroundings): AdmissionHandler {
  const { workloadSelector } = (object as Partial<Selecting>).spec ?? {};
  return createValidationHandler({ ...surroundings, workloads: () => [workloadSelector?.labels ?? {}] }, async () => true);
}

it('the validating webhook says of each object what weft analyze says of it', async () => {
  const files = await Promise.all((await readdir(folder)).map((file) => readFile(join(folder, file), 'utf8')));
  const objects = files.flatMap((text) => parseAllDocuments(text).map((document) => document.toJS() as KubernetesObject));
  const analyzed = await analyze();
  const world = await startTestMesh();
  const { mesh, cache } = world;
  const surroundings = meshSurroundings({
    ...{ mesh, pods: cache.store(podKind), workloadEntries: cache.store(workloadEntryKind) },
  });
  // The mesh is of all that would be let in.
  await world.apply(...objects.filter((object) => analyzed(nameOf(object)).errors.length === 0));

  const rivalsOf = { analysis: new Map<string, readonly string[]>(), review: new Map<string, readonly string[]>() };
  for (const object of objects) {
    const name = nameOf(object);
    const [group, version] = object.apiVersion.split('/') as [string, string];
    const request: AdmissionRequest = {
      ...{ uid: '1', kind: { group, version, kind: object.kind }, resource: { group, version, resource: '' } },
      ...{ operation: 'CREATE', namespace: object.metadata.namespace, object, userInfo: {} },
    };
    const answer = await handlerFor(object, surroundings)(request, { signal: new AbortController().signal });
    const { rivals: rivalsHere, ...review } = readAnswer(name, answer);
    const { rivals, ...analysis } = analyzed(name);
    expect({ name, ...review }).toEqual({ name, ...analysis });
    if (rivals.length > 0) rivalsOf.analysis.set(name, rivals);
    if (rivalsHere.length > 0) rivalsOf.review.set(name, rivalsHere);
  }
  await world.stop();

  // Of two that claim the same, analyze names the one that loses; the webhook warns of whichever comes.
  const { analysis, review } = rivalsOf;
  expect([...analysis.keys()].sort()).toEqual([
    'ServiceEntry shop/claims',
    'ServiceEntry shop/claims-too',
    'Sidecar bank/too-late',
  ]);
  for (const name of analysis.keys()) expect(review.has(name), name).toBe(true);
  const winners = new Set([...analysis.values()].flat());
  for (const name of review.keys()) expect(analysis.has(name) || winners.has(name), name).toBe(true);
}, 60_000);
