import type { KubeConfig } from '@kubernetes/client-node';
import { defaultMeshConfig } from '../mesh/mesh-config.ts';
import { createOperator, type OperatorOptions, type WeftOperator } from '../operator.ts';
import type { Manager } from '../runtime/manager/manager.ts';
import { type LoggedLine, logInto } from '../runtime/testing/log-lines.ts';

/** An operator in the test's own process, on free ports. */
export interface RunningOperator {
  readonly manager: Manager;
  readonly lines: readonly LoggedLine[];
  /** Resolves with where proxies connect in plaintext; rejects if the operator ends instead. */
  readonly served: Promise<string>;
  /** Resolves with everything that it listens on. */
  readonly addresses: WeftOperator['served'];
  /** What `/readyz/<check>` answers. */
  readyz(check: string): Promise<string>;
  /** How it ended; undefined while it runs. */
  readonly end: string | undefined;
  /** Rejects if the operator had failed, or does not end well. */
  stop(): Promise<void>;
}

/** Starts an operator in namespace `weft-system` that would be replaced within a second and a half. */
export function runOperator(kubeConfig: KubeConfig, options: Partial<OperatorOptions> = {}): RunningOperator {
  const lines: LoggedLine[] = [];
  const bind = { host: '127.0.0.1', port: 0 };
  const { manager, served } = createOperator({
    ...{ kubeConfig, namespace: 'weft-system', config: defaultMeshConfig, logger: logInto(lines) },
    ...{ xdsBind: bind, httpBind: bind, metricsBind: bind, healthBind: bind },
    leaderElection: { leaseDurationMs: 1_500, renewDeadlineMs: 1_000, retryPeriodMs: 100 },
    ...options,
  });
  const ended = manager.start();
  let end: string | undefined;
  ended.then(
    () => (end = 'stopped'),
    (error: Error) => (end = error.message),
  );
  const endedEarly = ended.then(() => Promise.reject(new Error('the operator ended before it served')));
  const serving = Promise.race([served.then(({ xds }) => xds!), endedEarly]);
  const addresses = Promise.race([served, endedEarly]);
  for (const promise of [serving, addresses]) promise.catch(() => {});
  return {
    manager,
    lines,
    get end() {
      return end;
    },
    served: serving,
    addresses,
    readyz: async (check) => (await fetch(`http://${manager.healthProbeAddress}/readyz/${check}`)).text(),
    stop() {
      manager.stop();
      return ended;
    },
  };
}
