import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { serviceEntryKind } from './api/index.ts';
import { namesOf } from './installation-names.ts';
import { objectPath } from './runtime/client/resource-path.ts';
import { type Lease, leaseKind } from './runtime/leader-election/lease.ts';
import { createCertificateAuthority } from './runtime/testenv/pki.ts';
import { describeApi } from './runtime/testing/describe-api.ts';
import { eventually } from './runtime/testing/eventually.ts';
import type { PublishedObject } from './status/published-status.ts';
import { ChangingWorld } from './testing/changing-world.ts';
import { type OperatorProcess, startOperatorProcess } from './testing/operator-process.ts';
import { expectAsFromNothing } from './testing/reference-plane.ts';
import { mixedProxies, SimulatedFleet } from './testing/simulated-fleet.ts';

/** Longer than the lease of production, with what the next leader then waits for the others and what a silent one is given. */
const takeOverMs = 40_000;

describeApi(
  'replicas of weft operator, each a process',
  (env) => {
    const fleet = new SimulatedFleet();
    const replicas: OperatorProcess[] = [];
    let folder: string;
    let flags: string[];
    let world: ChangingWorld;

    const start = async (): Promise<OperatorProcess> => {
      const replica = await startOperatorProcess(env().kubeConfigFile, flags);
      replicas.push(replica);
      return replica;
    };
    const leader = async (): Promise<OperatorProcess | undefined> => {
      const path = objectPath(leaseKind, `weft-system/${namesOf().lease}`);
      const { spec } = await env().rest.request<Lease>({ path });
      return replicas.find(({ replicaPort }) => spec?.holderIdentity?.endsWith(`_127.0.0.1:${replicaPort}`));
    };
    const untilTotal = (summary: string) =>
      eventually(async () => {
        const { metadata, status } = await env().rest.request<PublishedObject>({
          path: objectPath(serviceEntryKind, 'shop/moves'),
        });
        expect([status?.observedGeneration, status?.propagation?.summary]).toEqual([metadata.generation, summary]);
      }, takeOverMs);

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'weft-replicas-'));
      const authority = await createCertificateAuthority(folder);
      const { certificateFile, keyFile } = await authority.issue('replica', 'weft', [], ['DNS:weft.weft-system.svc']);
      await writeFile(join(folder, 'token'), 'shared\n');
      flags = [
        ...['--replica-token-file', join(folder, 'token'), '--replica-tls-server-name', 'weft.weft-system.svc'],
        ...['--replica-tls-cert', certificateFile, '--replica-tls-key', keyFile, '--replica-tls-ca', authority.certificateFile],
      ];
      world = new ChangingWorld(env().rest);
      await world.begin();
    }, 60_000);
    afterAll(async () => {
      fleet.close();
      for (const { process } of replicas) await process.stop();
      await rm(folder, { recursive: true });
    });

    it('show the true total again when the leader was killed, and when a follower hangs', async () => {
      for (const replica of [await start(), await start()]) {
        const taken = fleet.proxies.length;
        fleet.connect(replica.xds, mixedProxies(20, ['shop', 'client']).slice(taken, taken + 10));
      }
      await untilTotal('20/20 acked');
      const killed = (await leader())!;
      const survivor = replicas.find((replica) => replica !== killed)!;
      killed.process.signal('SIGKILL');
      expect(await killed.process.ended).toBe('signal SIGKILL');
      await world.change();
      await untilTotal('10/10 acked');
      expect(await leader()).toBe(survivor);
      fleet.reconnect((_, address) => address === killed.xds, { address: survivor.xds });
      await untilTotal('20/20 acked');
      await expectAsFromNothing(env().kubeConfig, fleet);

      const follower = await start();
      fleet.reconnect(({ name }) => Number(name.split('-')[1]) < 10, { address: follower.xds });
      await world.change();
      await untilTotal('20/20 acked');
      follower.process.signal('SIGSTOP');
      await world.change();
      await untilTotal('10/10 acked');
      expect(survivor.process.log()).toMatch(/A replica is gone; its proxies are not counted.*nothing was heard of it for 15 s/);
      follower.process.signal('SIGCONT');
      await untilTotal('20/20 acked');
      await expectAsFromNothing(env().kubeConfig, fleet);
      expect(await leader()).toBe(survivor);

      for (const { process } of [survivor, follower]) {
        expect(process.end, process.log()).toBeUndefined();
        expect(process.log()).not.toMatch(/unhandled|uncaught/i);
        process.signal('SIGTERM');
        expect(await process.ended, process.log()).toBe('exit code 0');
      }
    }, 240_000);
  },
  { crdPaths: ['crds'] },
);
