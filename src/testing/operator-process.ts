import { join } from 'node:path';
import { type RunningChild, startChild } from '../runtime/testenv/child-process.ts';
import { findLoopbackPort } from '../runtime/testenv/loopback-port.ts';
import { until } from './until.ts';

const weft = join(import.meta.dirname, '../../bin/weft');

/** `weft operator` as a process of its own, which a test may kill. */
export interface OperatorProcess {
  readonly process: RunningChild;
  /** Where proxies connect. */
  readonly xds: string;
  /** Where its metrics are. */
  readonly metrics: string;
  /** Where replicas reach it; part of its identity in the Lease. */
  readonly replicaPort: number;
}

/**
 * Starts it in namespace `weft-system` and waits until it serves proxies.
 * @param flags besides those that say where to listen
 */
export async function startOperatorProcess(kubeConfigFile: string, flags: readonly string[]): Promise<OperatorProcess> {
  const replicaPort = await findLoopbackPort();
  const child = await startChild('weft operator', process.execPath, [
    // As bin/weft's first line has it.
    '--max-semi-space-size=16',
    ...[weft, 'operator', '--kubeconfig', kubeConfigFile, '--namespace', 'weft-system', '--log-format', 'json', '--secure=false'],
    ...['xds', 'http', 'metrics', 'health'].flatMap((port) => [`--${port}-bind`, '127.0.0.1:0']),
    ...['--replica-bind', `127.0.0.1:${replicaPort}`, ...flags],
  ]);
  const { xds, metrics } = await until(() => {
    const line = child
      .log()
      .split('\n')
      .find((each) => each.startsWith('{') && each.includes('"xds":"'));
    if (child.end !== undefined || !line) throw new Error(`the operator does not serve: ${child.end ?? ''}\n${child.log()}`);
    return JSON.parse(line) as { xds: string; metrics: string };
  }, 60_000);
  return { process: child, xds, metrics, replicaPort };
}
