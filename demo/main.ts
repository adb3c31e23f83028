/** `npm start`: the control plane on samples/, small services, a real proxy that calls them, and a live view of it all. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startEcho } from '../e2e/env/echo-server.ts';
import { findBinary, startClientProxy } from './client-proxy.ts';
import { startControlPlane } from './control-plane.ts';
import { listenForEnd } from './ending.ts';
import { hintsFor } from './hints.ts';
import { judge } from './judge.ts';
import type { DemoView } from './live-view.ts';
import { openLogFile } from './log-file.ts';
import { observe } from './observe.ts';
import { type DemoOptions, parseOptions, projectRoot, usage } from './options.ts';
import { readPlan } from './plan.ts';
import { checkPorts } from './ports.ts';
import { openScreen } from './screen.ts';
import { Traffic } from './traffic.ts';

/** How often the view looks anew, in milliseconds. */
const intervalMs = 250;

/** Runs until `ending` aborts or the time is over; what it started has ended when it resolves. Answers why the run was no success, if so. */
async function run(options: DemoOptions, ending: AbortSignal): Promise<string[]> {
  const { samples, durationMs, envoy } = options;
  await using parts = new AsyncDisposableStack();
  const log = openLogFile(join(projectRoot, '.weft', 'demo.log'));
  parts.defer(log.close);
  const plan = await readPlan(samples);
  await checkPorts(plan, samples);
  const binary = envoy ? await findBinary(ending) : { trouble: ['No proxy was started: --no-envoy'] };
  if (ending.aborted) return [];
  const plane = await startControlPlane(samples, log.logger);
  parts.defer(plane.stop);
  for (const { name, protocol, address } of plan.services) {
    const service = await startEcho({ name, protocol, listen: address });
    parts.defer(service.close);
  }
  const proxy = await startClientProxy(binary, plane.xdsAddress, ending);
  parts.defer(proxy.stop);
  const traffic = new Traffic(proxy.isRunning ? plan.routes : []);
  parts.defer(() => traffic.stop());
  const screen = openScreen(process.stdout);
  parts.defer(screen.close);

  const observeAll = async (): Promise<DemoView> => ({
    title: `Weft   xDS ${plane.xdsAddress}   status ${plane.httpAddress}   log .weft/demo.log`,
    notices: [...plane.notices, ...proxy.trouble],
    ...(await observe(plane.httpAddress)),
    traffic: traffic.routes(),
    services: plan.services.map(({ name }) => name),
    hints: hintsFor(options, plane, plan),
    nowMs: Date.now(),
  });
  const until = durationMs === undefined ? ending : AbortSignal.any([ending, AbortSignal.timeout(durationMs)]);
  let failure: Error | undefined;
  void plane.failed.then((error) => {
    failure = error;
  });
  let view = await observeAll();
  while (!until.aborted) {
    screen.show(view);
    await sleep(intervalMs, undefined, { signal: until }).catch(() => {});
    if (failure) return [`the control plane failed: ${failure.message}`];
    view = await observeAll();
  }
  screen.show(view);
  return ending.aborted ? [] : judge(view, envoy);
}

try {
  const ending = listenForEnd();
  const options = parseOptions(process.argv.slice(2));
  const failures = options ? await run(options, ending) : void process.stdout.write(usage);
  if (failures) process.stdout.write('Everything that was started has ended.\n');
  for (const failure of failures ?? []) process.stderr.write(`demo: ${failure}\n`);
  process.exitCode = failures?.length ? 1 : 0;
} catch (error) {
  process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
// Envoy may still be on its way into the cache: what fetches it ends with this process.
process.exit();
