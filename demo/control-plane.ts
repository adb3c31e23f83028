import { startStandalone } from '../src/main.ts';
import { defaultMeshConfig } from '../src/mesh/mesh-config.ts';
import type { Logger } from '../src/runtime/logger.ts';
import { whyNotFree } from './ports.ts';

const host = '127.0.0.1';
const xdsPort = 15_010;
const httpPort = 15_014;

/** The control plane that runs in this process. */
export interface ControlPlane {
  readonly xdsAddress: string;
  readonly httpAddress: string;
  /** What to add to client commands so that they find it: empty where it has the port they expect. */
  readonly addressFlag: string;
  /** Ports that were taken, and which it has instead. */
  readonly notices: readonly string[];
  /** Resolves with the error if a part ends by itself. */
  readonly failed: Promise<Error>;
  stop(): Promise<void>;
}

/** How long the proxy's stream is given to end, in milliseconds. */
const stopDeadlineMs = 1000;

/** Starts the control plane on Istio's ports, or on free ones where these are taken. */
export async function startControlPlane(samples: string, logger: Logger): Promise<ControlPlane> {
  const bind = async (port: number) => ({ host, port: (await whyNotFree(host, port)) ? 0 : port });
  const [xdsBind, httpBind] = [await bind(xdsPort), await bind(httpPort)];
  const standalone = await startStandalone({ paths: [samples], config: defaultMeshConfig, logger, xdsBind, httpBind });
  const { xdsAddress, httpAddress, failed } = standalone;
  const notices: string[] = [];
  if (!xdsBind.port) notices.push(`Port ${xdsPort} is taken on ${host}; proxies are served at ${xdsAddress} instead.`);
  if (!httpBind.port) notices.push(`Port ${httpPort} is taken on ${host}; status is at ${httpAddress} instead.`);
  return {
    xdsAddress,
    httpAddress,
    addressFlag: httpBind.port ? '' : ` --address ${httpAddress}`,
    notices,
    failed,
    stop: () => standalone.stop({ deadlineMs: stopDeadlineMs }),
  };
}
