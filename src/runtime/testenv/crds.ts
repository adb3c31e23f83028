import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { RestClient } from '../client/rest-client.ts';
import { wait } from '../client/wait.ts';
import { systemClock } from '../clock.ts';

/** A CustomResourceDefinition, as far as it is looked at here. */
export interface CustomResourceDefinition {
  readonly apiVersion: string;
  readonly kind: 'CustomResourceDefinition';
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly group: string;
    readonly names: { readonly plural: string; readonly [field: string]: unknown };
    readonly versions: readonly { readonly name: string; readonly served: boolean; readonly [field: string]: unknown }[];
    readonly [field: string]: unknown;
  };
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
  };
}

const crdsPath = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const readyWithinMs = 20_000;

/** The CRDs in YAML and JSON files; of a folder, those directly in it. Other objects in them are passed over. */
export async function readCrds(paths: readonly string[]): Promise<CustomResourceDefinition[]> {
  const crds: CustomResourceDefinition[] = [];
  for (const path of paths) {
    const isDirectory = (await stat(path)).isDirectory();
    const names = isDirectory ? (await readdir(path)).filter((name) => ['.yaml', '.yml', '.json'].includes(extname(name))) : [];
    for (const file of isDirectory ? names.sort().map((name) => join(path, name)) : [path]) {
      for (const document of parseAllDocuments(await readFile(file, 'utf8'))) {
        if (document.errors?.[0]) throw new Error(`${file}: ${document.errors[0].message}`);
        const object = document.toJS() as CustomResourceDefinition | null;
        if (object?.kind === 'CustomResourceDefinition') crds.push(object);
      }
    }
  }
  return crds;
}

/** Applies CRDs and waits until the API server serves them. Rejects with the API server's reason, or when that takes too long. */
export async function installCrds(rest: RestClient, crds: readonly CustomResourceDefinition[]): Promise<void> {
  await Promise.all(
    crds.map(async (crd) => {
      const path = `${crdsPath}/${crd.metadata.name}`;
      const query = { fieldManager: 'testenv', force: true };
      await rest.request({
        method: 'PATCH',
        path,
        query,
        contentType: 'application/apply-patch+yaml',
        body: crd,
        isIdempotent: true,
      });
      await waitUntilServed(rest, crd);
    }),
  );
}

async function waitUntilServed(rest: RestClient, { metadata, spec }: CustomResourceDefinition): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + readyWithinMs;
  let why = '';
  for (let pauseMs = 5; systemClock.monotonicMs() < deadlineMs; pauseMs = Math.min(200, pauseMs * 2)) {
    const { status } = await rest.request<CustomResourceDefinition>({ path: `${crdsPath}/${metadata.name}` });
    const conditions = status?.conditions ?? [];
    const refused = conditions.find(({ type, status }) => type === 'NamesAccepted' && status === 'False');
    if (refused) throw new Error(`the API server does not serve ${metadata.name}: ${refused.message ?? 'its names are taken'}`);
    const isEstablished = conditions.some(({ type, status }) => type === 'Established' && status === 'True');
    if (isEstablished && (await areServed(rest, spec))) return;
    why = JSON.stringify(conditions);
    await wait(systemClock, pauseMs);
  }
  throw new Error(`the API server does not serve ${metadata.name} after ${readyWithinMs / 1000} s; its conditions are ${why}`);
}

/** A CRD is established a moment before requests for it are answered. */
async function areServed(rest: RestClient, { group, names, versions }: CustomResourceDefinition['spec']): Promise<boolean> {
  for (const { name } of versions.filter(({ served }) => served)) {
    try {
      await rest.request({ path: `/apis/${group}/${name}/${names.plural}`, query: { limit: 1 } });
    } catch {
      return false;
    }
  }
  return true;
}
