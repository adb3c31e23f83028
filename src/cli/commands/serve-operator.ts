import { createOperator } from '../../operator.ts';
import { sleep } from '../../runtime/abort.ts';
import { systemClock } from '../../runtime/clock.ts';
import { createLogger } from '../../runtime/logger.ts';
import { loadKubeConfig } from '../../runtime/manager/kube-config.ts';
import { setupSignalHandler } from '../../runtime/manager/signals.ts';
import { defaultOperatorNamespace } from '../cluster/connection-options.ts';
import { CommandError } from '../command-error.ts';
import { healthPort, metricsPort } from '../default-ports.ts';
import { loadMeshConfig } from '../load-mesh-config.ts';
import type { OperatorFlags } from './operator-flags.ts';
import { readReplication } from './read-replication.ts';
import { readSecurity } from './read-security.ts';
import { rolloutOf } from './serve-options.ts';

/** Runs the operator until it is told to stop. Throws a {@link CommandError} when it cannot start or a part of it fails. */
export async function serveOperator(flags: OperatorFlags): Promise<void> {
  const logger = createLogger({ level: flags.logLevel, format: flags.logFormat });
  const { config, file: meshConfigFile } = loadMeshConfig(flags.meshConfig, (problem) => logger.warn('Mesh config', { problem }));
  const signal = setupSignalHandler();
  try {
    const kubeConfig = loadKubeConfig({ file: flags.kubeconfig, context: flags.context });
    const contextNamespace = kubeConfig.getContextObject(kubeConfig.getCurrentContext())?.namespace;
    const namespace = flags.namespace ?? process.env.POD_NAMESPACE ?? contextNamespace ?? defaultOperatorNamespace;
    const security = readSecurity(flags, namespace, (problem) => logger.warn('Injection configuration', { problem }));
    if (!security && !flags.xdsBind) throw new CommandError('--secure=false leaves proxies no port: give --xds-bind');
    const { manager, served, drain } = createOperator({
      ...{ kubeConfig, config, logger, namespace, httpBind: flags.httpBind },
      ...(flags.xdsBind && { xdsBind: flags.xdsBind }),
      ...(security && { security }),
      ...(meshConfigFile ? { meshConfigFile } : {}),
      metricsBind: flags.metricsBind ?? { port: metricsPort },
      healthBind: flags.healthBind ?? { port: healthPort },
      ...{ name: flags.name, writesStatus: flags.writeStatus },
      ...readReplication(flags, namespace),
      rollout: rolloutOf(flags),
      leaderElection: flags.leaderElect ? {} : false,
    });
    void served.then((addresses) => logger.info('Serving', { ...addresses }));
    await manager.start(afterDraining(signal, drain, flags.drainTime));
  } catch (error) {
    logger.error('The operator has failed', { error });
    throw new CommandError(error instanceof Error ? error.message : String(error), 1, error);
  }
}

/** A signal that aborts a while after another one; `drain` is called in between. */
function afterDraining(signal: AbortSignal, drain: () => void, drainMs: number): AbortSignal {
  const stop = new AbortController();
  const onAbort = async () => {
    drain();
    await sleep(systemClock, drainMs, stop.signal);
    stop.abort(signal.reason);
  };
  signal.addEventListener('abort', () => void onAbort(), { once: true });
  return stop.signal;
}
