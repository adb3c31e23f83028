import { mkdtempSync, rmSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cache } from '../../runtime/cache/cache.ts';
import type { ResourceKind } from '../../runtime/resource-kind.ts';
import { type ContractObject, describeSourceContract } from '../../runtime/testing/source-contract.ts';
import { FileSource } from './file-source.ts';
import { entryKind, validateEntry } from './testing/service-entries.ts';
import { replaceFile } from './testing/temp-directory.ts';

for (const [how, write] of Object.entries({ 'written in place': writeFile, replaced: replaceFile })) {
  describeSourceContract(`FileSource, files ${how},`, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'weft-contract-'));
    const cache = new Cache();
    const kind = entryKind as ResourceKind<ContractObject>;
    const stop = new AbortController();
    const written = new Map<string, string>();
    let running: Promise<void> | undefined;
    const put = async (name: string, text: string) => {
      written.set(name, text);
      await write(join(directory, `${name}.yaml`), text);
    };
    return {
      cache,
      kind,
      write: (name, value, labels = {}) =>
        put(
          name,
          `apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: ${JSON.stringify({ name, namespace: 'contract', labels })}\nspec: {value: "${value}"}\n`,
        ),
      rewrite: (name) => put(name, written.get(name)!),
      remove: (name) => rm(join(directory, `${name}.yaml`)),
      async start() {
        running = new FileSource({ paths: [directory], kinds: [kind], validate: validateEntry, cache }).start(stop.signal);
        await Promise.race([running, cache.waitForSync(stop.signal)]);
      },
      async stop() {
        stop.abort();
        await running;
      },
      async dispose() {
        rmSync(directory, { recursive: true, force: true });
      },
    };
  });
}
