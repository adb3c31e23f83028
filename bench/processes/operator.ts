import { defaultMeshConfig } from '../../src/mesh/mesh-config.ts';
import { createOperator } from '../../src/operator.ts';
import { loadKubeConfig } from '../../src/runtime/manager/kube-config.ts';
import { nowMs } from '../clock.ts';
import { logger, type Put, takePuts, usage } from './observed.ts';
import { serve } from './serve.ts';

/** What to start. */
export interface OperatorSetup {
  readonly kubeConfigFile: string;
  /** Without an election. Not: another replica must hold the Lease. */
  readonly leads: boolean;
  readonly labels?: Readonly<Record<string, string>>;
}

/** How a start went. */
export interface OperatorStart {
  readonly xdsAddress: string;
  /** When the first object was taken into the mesh. */
  readonly firstPutAtMs: number;
  /** When everything was in and proxies were served. */
  readonly servedAtMs: number;
  readonly reconciles: number;
}

const bind = { host: '127.0.0.1', port: 0 };

const operations = {
  /** Runs the operator. One that does not lead writes no statuses. `labels`: of the namespaces that take part; default: all do. */
  async start({ kubeConfigFile, leads, labels }: OperatorSetup): Promise<OperatorStart> {
    const discoverySelectors = labels ? [{ matchLabels: labels }] : [];
    const { manager, served } = createOperator({
      ...{ kubeConfig: loadKubeConfig({ file: kubeConfigFile }), namespace: 'weft-system', logger },
      config: { ...defaultMeshConfig, discoverySelectors },
      ...{ xdsBind: bind, httpBind: bind, metricsBind: bind, healthBind: bind, leaderElection: leads ? false : {} },
    });
    const failed = manager.start().then(() => Promise.reject(new Error('the operator ended')));
    const { xds } = await Promise.race([served, failed]);
    const servedAtMs = nowMs();
    const counted = await manager.registry.getSingleMetric('controller_runtime_reconcile_total')!.get();
    return {
      xdsAddress: xds!,
      servedAtMs,
      firstPutAtMs: takePuts()[0]?.atMs ?? servedAtMs,
      reconciles: counted.values.reduce((total, { value }) => total + value, 0),
    };
  },

  /** What was taken into the mesh since the last call. */
  puts: (_: undefined): Put[] => takePuts(),

  usage,
};

export type OperatorOperations = typeof operations;

serve(operations);
