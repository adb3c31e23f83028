import {
  type Container,
  type Handler,
  type HttpGetAction,
  initContainerName,
  type Pod,
  type Probe,
  proxyContainerName,
} from '../pod.ts';
import { actionOf, mapHandlers } from './handlers.ts';

/** A probe or hook that the sidecar carries out: what it asks of the application, on a port that is known. */
export interface ProbeTarget {
  /** What the kubelet asks the sidecar for. */
  readonly path: string;
  readonly kind: 'http' | 'https' | 'tcp' | 'grpc';
  readonly port: number;
  /** What the application is asked for, with a query if there is one; of http and https. */
  readonly appPath: string;
  /** The service whose health is asked for; of grpc. */
  readonly service: string;
  /** How long the application may take, in seconds. */
  readonly timeoutSeconds: number;
}

/** A pod whose probes go to the sidecar. */
export interface RewrittenProbes {
  readonly pod: Pod;
  readonly targets: readonly ProbeTarget[];
  /** What each probe did, by its new path. */
  readonly originals: Readonly<Record<string, Handler>>;
  readonly warnings: readonly string[];
}

/** A hook has no timeout of its own; the kubelet's end of it is the pod's grace period. */
const hookTimeoutSeconds = 3600;

/**
 * Leads the probes and lifecycle hooks of every container but the injected ones to the sidecar's port for them: HTTP, HTTPS, TCP and gRPC.
 * Those that run a command stay, and those that ask one of the sidecar's own ports already.
 * @param uncaptured ports that are not captured anyway: the sidecar's own
 */
export function rewriteProbes(pod: Pod, statusPort: number, uncaptured: readonly number[]): RewrittenProbes {
  const targets: ProbeTarget[] = [];
  const originals: Record<string, Handler> = {};
  const warnings: string[] = [];
  const rewrite = (container: Container): Container => {
    if (container.name === proxyContainerName || container.name === initContainerName) return container;
    return mapHandlers(container, (handler, path, isProbe) => {
      const target = targetOf(handler, path, container);
      if (typeof target === 'string') warnings.push(`${path} is not led through the sidecar: ${target}`);
      if (typeof target !== 'object' || uncaptured.includes(target.port)) return undefined;
      targets.push(isProbe ? target : { ...target, timeoutSeconds: hookTimeoutSeconds });
      originals[path] = actionOf(handler);
      return redirected(handler, path, statusPort);
    });
  };
  const { containers, initContainers } = pod.spec;
  const spec = {
    ...pod.spec,
    containers: containers.map(rewrite),
    ...(initContainers && { initContainers: initContainers.map(rewrite) }),
  };
  return { pod: { ...pod, spec }, targets, originals, warnings };
}

/** What a handler asks of the application; undefined: nothing over the network; a text: why it cannot be known. */
function targetOf(handler: Handler, path: string, container: Container): ProbeTarget | string | undefined {
  const { httpGet, tcpSocket, grpc } = handler;
  const { timeoutSeconds = 1 } = handler as Probe;
  const rest = { path, appPath: '/', service: '', timeoutSeconds: Math.max(1, timeoutSeconds) };
  if (httpGet) {
    const kind = httpGet.scheme?.toUpperCase() === 'HTTPS' ? 'https' : 'http';
    return withPort(httpGet.port, container, (port) => ({ ...rest, kind, port, appPath: appPathOf(httpGet) }));
  }
  if (tcpSocket) return withPort(tcpSocket.port, container, (port) => ({ ...rest, kind: 'tcp', port }));
  if (grpc) return withPort(grpc.port, container, (port) => ({ ...rest, kind: 'grpc', port, service: grpc.service ?? '' }));
  return undefined;
}

function withPort(port: unknown, container: Container, use: (port: number) => ProbeTarget): ProbeTarget | string {
  const isName = typeof port === 'string' && !/^\d+$/.test(port);
  const number = isName ? container.ports?.find(({ name }) => name === port)?.containerPort : Number(port);
  if (number === undefined) return `container ${container.name} has no port named ${JSON.stringify(port)}`;
  if (!Number.isInteger(number) || number < 1 || number > 65_535) return `${JSON.stringify(port)} is no port`;
  return use(number);
}

/** As the kubelet sends it: it begins with a slash, what no URL may hold is escaped, and a fragment stays behind. */
function appPathOf({ path = '/' }: HttpGetAction): string {
  const [withoutFragment = ''] = path.split('#', 1);
  const escaped = withoutFragment.toWellFormed().replaceAll(/[^\x21-\x7e]+/g, encodeURIComponent);
  return escaped.startsWith('/') ? escaped : `/${escaped}`;
}

/** The same probe, of the sidecar. A host and headers of its own are kept, as in Istio. */
function redirected(handler: Handler, path: string, port: number): Handler {
  const { httpGet, tcpSocket: _tcp, grpc: _grpc, ...rest } = handler;
  const { scheme, ...kept } = httpGet ?? {};
  return { ...rest, httpGet: { ...kept, path, port, ...(scheme !== undefined && { scheme: 'HTTP' }) } };
}
