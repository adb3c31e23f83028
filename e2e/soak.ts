import { parseArgs } from 'node:util';
import { startTestEnv } from '../src/runtime/testenv/test-env.ts';
import { soak } from '../src/testing/soak/soak.ts';

const usage = `npm run soak -- [options]
  --seconds N    how long the world is changed and disturbed; default 600
  --proxies N    simulated proxies over two replicas; default 50
  --seed N       choices of an earlier run; default: by the clock
Random changes of every kind and random faults on a real etcd and kube-apiserver, compared at random points with a control plane that
was started from nothing. Exits with 1 at the first difference.`;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '600' },
    proxies: { type: 'string', default: '50' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) console.log(usage);
else await run();

async function run(): Promise<void> {
  const [seconds, proxies, seed] = [Number(values.seconds), Number(values.proxies), Number(values.seed)];
  console.log(`Soak of ${seconds} s, ${proxies} proxies; to repeat its choices: --seed ${seed}`);
  const env = await startTestEnv({ crdPaths: ['crds'] });
  try {
    const report = await soak({
      env,
      seed,
      proxies,
      durationMs: seconds * 1000,
      kills: true,
      checkEveryMs: 30_000,
      log: console.log,
    });
    console.log(JSON.stringify(report, undefined, 2));
    const { residentMiB } = report;
    const third = Math.ceil(residentMiB.length / 3);
    const [early, late] = [residentMiB.slice(third, 2 * third), residentMiB.slice(2 * third)].map((part) => Math.max(...part));
    if (late! > early! * 1.25 + 50)
      throw new Error(`memory grows: ${early} MiB at most in the second third, ${late} MiB in the last`);
  } finally {
    await env.stop();
  }
}
