import { createServer } from 'node:net';
import { parseAddress } from '../e2e/env/address.ts';
import type { Listening, Plan } from './plan.ts';

/** Why nothing can listen at `host:port` now (`EADDRINUSE`, …); undefined: it is free. */
export function whyNotFree(host: string, port: number): Promise<string | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen(port, host, () => server.close(() => resolve(undefined)));
  });
}

/** Throws one Error that names every port of the plan that is taken, and what to do about it. */
export async function checkPorts({ services, routes }: Plan, samples: string): Promise<void> {
  const wanted = new Map<string, Listening>();
  for (const listening of [...routes, ...services]) wanted.set(listening.address, listening);
  const problems: string[] = [];
  for (const { address, who } of wanted.values()) {
    const where = parseAddress(address);
    if ('path' in where) continue;
    const why = await whyNotFree(where.host, where.port);
    if (why === 'EADDRINUSE')
      problems.push(`${address} is taken (needed by ${who}); see who has it: ss -ltnp 'sport = :${where.port}'`);
    else if (why) problems.push(`${address} cannot be listened on (needed by ${who}): ${why}`);
  }
  if (!problems.length) return;
  throw new Error(
    `${problems.join('\n')}\nDoes another demo still run? Else end what listens there, or change the port in ${samples}/`,
  );
}
