import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Replication } from './leader-duties.ts';
import { findLoopbackPort } from './runtime/testenv/loopback-port.ts';
import { describeApi } from './runtime/testing/describe-api.ts';
import { eventually } from './runtime/testing/eventually.ts';
import { replicaAudience } from './status/replication/replica-credential.ts';
import { makePod, runSecureOperator, type SecureOperator } from './testing/secure-operator.ts';

describeApi(
  'replicas that share nothing but their service account',
  (env) => {
    let folder: string;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'weft-replicas-'));
      for (const name of ['weft-system', 'shop'])
        await env().rest.request({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name } } });
    });
    afterAll(() => rm(folder, { recursive: true }));

    /** An operator that shows the token of a pod. */
    const start = async (
      name: string,
      { namespace = 'weft-system', audience = replicaAudience } = {},
    ): Promise<SecureOperator> => {
      const pod = await makePod(env().rest, { namespace, name, serviceAccount: 'weft', ip: '127.0.0.1' });
      const file = join(folder, name);
      await writeFile(file, await pod.token(audience));
      const port = await findLoopbackPort();
      const replication: Replication = {
        ...{ bind: { host: '127.0.0.1', port }, advertised: `127.0.0.1:${port}`, credential: { type: 'pod', file } },
        tls: { type: 'authority', serverName: 'weft.weft-system.svc' },
      };
      const operator = await runSecureOperator(env().kubeConfig, { operator: { replication } });
      await operator.xdsTls;
      return operator;
    };
    const said = (operator: SecureOperator) =>
      operator.lines.map(({ message, ...fields }) => `${message} ${JSON.stringify(fields)}`);

    it('believe each other over TLS of their own authority, and nobody else', async () => {
      const operators = [await start('weft-1')];
      try {
        await eventually(() => expect(operators[0]!.manager.isLeading).toBe(true), 10_000);
        operators.push(await start('weft-2'));
        await eventually(
          () => expect(said(operators[0]!).filter((line) => line.startsWith('A replica connected'))).toHaveLength(1),
          15_000,
        );

        operators.push(await start('weft-3', { namespace: 'shop' }), await start('weft-4', { audience: 'istio-ca' }));
        for (const stranger of operators.slice(2))
          await eventually(() => expect(said(stranger).join('\n')).toContain('it answers 401 Unauthorized'), 15_000);
        expect(said(operators[0]!).filter((line) => line.startsWith('A replica connected'))).toHaveLength(1);
      } finally {
        for (const operator of operators) await operator.stop();
      }
    });
  },
  { crdPaths: ['crds'] },
);
