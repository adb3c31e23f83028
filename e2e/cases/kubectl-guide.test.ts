import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { describeApi } from '../../src/runtime/testing/describe-api.ts';
import { buildBootstrap } from '../env/bootstrap.ts';
import { startEnvoy } from '../env/envoy.ts';
import { findEnvoy } from '../env/envoy-binary.ts';
import { eventually } from '../env/eventually.ts';
import { comparable, type GuideCommand, readGuide, rewriteGuide } from '../env/guide.ts';
import { createKeeper } from '../env/keeper.ts';
import { findKubectl, runShell } from '../env/kubectl.ts';
import { makeNamespace, startOperatorProcess } from '../env/operator.ts';

const root = join(import.meta.dirname, '../..');
const guideFile = join(root, 'docs/guides/kubectl.md');
const kubectl = await findKubectl();
const hasEnvoy = (await findEnvoy()) !== undefined;
/** `UPDATE_GOLDEN=1` writes into the guide what the commands print. */
const isUpdating = process.env.UPDATE_GOLDEN === '1';

const { keep, defer, release } = createKeeper();
afterEach(release);

/** Which of the two proxies answers first is left to chance. */
const compare = (output: string): string[] =>
  comparable(output.replace(/\b[12](?= of 2 proxies rejected it)/g, '1').replace(/shop\/web-[12]/g, 'shop/web-1'));

/** What may be asked again until it says what is expected: status and Events come a moment later. */
const isQuestion = (command: string) => /^kubectl (get|describe|events|explain) /.test(command);

describeApi(
  'the guide docs/guides/kubectl.md',
  (env) => {
    it.skipIf(!kubectl || !hasEnvoy)(
      'prints what it says',
      async () => {
        for (const namespace of ['weft-system', 'shop']) await makeNamespace(env().rest, namespace);
        const operator = await keep(startOperatorProcess({ env: env(), kubeConfig: env().kubeConfig }));
        await operator.served();
        for (const pod of ['web-1', 'web-2']) {
          const bootstrap = buildBootstrap({ identity: { namespace: 'shop', pod }, xds: { address: operator.xds } });
          await (await keep(startEnvoy({ bootstrap }))).waitForReady();
        }
        const folder = await mkdtemp(join(tmpdir(), 'weft-guide-'));
        defer(() => rm(folder, { recursive: true }));
        const run = async (line: string) =>
          (await runShell(line, { kubectl: kubectl!, kubeConfigFile: env().kubeConfigFile, folder })).output;

        const text = await readFile(guideFile, 'utf8');
        const commands: GuideCommand[] = [];
        const outputs: string[] = [];
        for (const step of readGuide(text)) {
          if (step.type === 'file') {
            await writeFile(join(folder, step.name), step.text);
            continue;
          }
          const { command, output } = step;
          if (isUpdating) {
            if (isQuestion(command)) await sleep(3_000);
            commands.push(step);
            outputs.push((await run(command)).replace(/[ \t]+$/gm, ''));
          } else if (isQuestion(command)) {
            await eventually(`\`${command}\` to print what the guide says`, async () => {
              expect(compare(await run(command)), command).toEqual(compare(output));
              return true;
            });
          } else expect(compare(await run(command)), command).toEqual(compare(output));
        }
        if (isUpdating) await writeFile(guideFile, rewriteGuide(text, commands, outputs));
      },
      180_000,
    );
  },
  { crdPaths: [join(root, 'crds')] },
);
