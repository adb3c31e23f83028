import type { Address } from './address.ts';
import { buildBootstrap, type ProxyIdentity, type XdsOptions } from './bootstrap.ts';
import type { ControlPlane } from './control-plane.ts';
import { type Envoy, type StartEnvoyOptions, startEnvoy } from './envoy.ts';

/** A proxy that a control plane configures. */
export interface ProxyOptions extends Omit<StartEnvoyOptions, 'bootstrap'> {
  plane: ControlPlane;
  identity?: ProxyIdentity;
  /** Default `delta`. */
  mode?: XdsOptions['mode'];
  /** Where it reaches the control plane. Default: at its own address. */
  through?: Address;
  dns?: { host: string; port: number };
}

/** Starts Envoy against a control plane, and resolves when it is ready: it has its first listeners. */
export const startProxy = async (options: ProxyOptions): Promise<Envoy> => {
  const { plane, identity, mode, through = plane.xds, dns, ...rest } = options;
  const bootstrap = buildBootstrap({ identity, xds: { address: through, mode }, dns });
  const envoy = await startEnvoy({ bootstrap, ...rest });
  try {
    await envoy.waitForReady();
    return envoy;
  } catch (error) {
    await envoy.stop();
    throw error;
  }
};
