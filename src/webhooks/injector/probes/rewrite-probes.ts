import {
  type Container,
  type Handler,
  type HttpGetAction,
  initContainerName,
  type Pod,
  type Probe,
  proxyContainerName,
} from '../pod.ts';
import { actionOf, type HandlerSlot, mapHandlers } from './handlers.ts';

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
  /** Every probe and hook over the network, and whether it is led through the sidecar now. */
  readonly handlers: readonly NetworkHandler[];
  readonly warnings: readonly string[];
}

/** A probe or a hook over the network. */
export interface NetworkHandler {
  readonly container: string;
  readonly slot: HandlerSlot;
  readonly kind: ProbeTarget['kind'];
  readonly port: number;
  readonly isInit: boolean;
  /** False: it asks the container itself. */
  readonly isRewritten: boolean;
}

/** How probes are rewritten. */
export interface ProbeRewriting {
  /** The sidecar's port for them. */
  readonly statusPort: number;
  /** Ports that are not captured anyway: the sidecar's own. */
  readonly uncaptured: readonly number[];
  /** Whether the sidecar runs before the pod's own init containers. */
  readonly isNative: boolean;
}

/**
 * Of an init container that keeps running beside a classic sidecar, these come before the sidecar is there: a startup probe and a postStart hook
 * hold up all that follows, the sidecar with it, and a liveness probe without an answer would end the container meanwhile. A readiness probe
 * may fail until then, and a preStop hook comes when the pod ends.
 */
const beforeClassicSidecar: readonly HandlerSlot[] = ['startupProbe', 'postStart', 'livenessProbe'];

/** Whether it is a lifecycle hook, and no probe. */
export const isHook = (slot: HandlerSlot): boolean => slot === 'preStop' || slot === 'postStart';

/** A hook has no timeout of its own; the kubelet's end of it is the pod's grace period. */
const hookTimeoutSeconds = 3600;

/**
 * Leads the probes and lifecycle hooks of every container but the injected ones to the sidecar's port for them: HTTP, HTTPS, TCP and gRPC.
 * Those that run a command stay, those that ask one of the sidecar's own ports already, and those that come before a classic sidecar
 * could answer.
 */
export function rewriteProbes(pod: Pod, { statusPort, uncaptured, isNative }: ProbeRewriting): RewrittenProbes {
  const targets: ProbeTarget[] = [];
  const originals: Record<string, Handler> = {};
  const handlers: NetworkHandler[] = [];
  const warnings: string[] = [];
  const rewrite = (container: Container, isInit: boolean): Container => {
    if (container.name === proxyContainerName || container.name === initContainerName) return container;
    return mapHandlers(container, (handler, path, slot) => {
      const target = targetOf(handler, path, container);
      if (typeof target === 'string') warnings.push(`${path} is not led through the sidecar: ${target}`);
      if (typeof target !== 'object' || uncaptured.includes(target.port)) return undefined;
      const isRewritten = isNative || !isInit || !beforeClassicSidecar.includes(slot);
      handlers.push({ container: container.name, slot, kind: target.kind, port: target.port, isInit, isRewritten });
      if (!isRewritten) return undefined;
      targets.push(isHook(slot) ? { ...target, timeoutSeconds: hookTimeoutSeconds } : target);
      originals[path] = actionOf(handler);
      return redirected(handler, path, statusPort);
    });
  };
  const { containers, initContainers } = pod.spec;
  const spec = {
    ...pod.spec,
    containers: containers.map((container) => rewrite(container, false)),
    ...(initContainers && { initContainers: initContainers.map((container) => rewrite(container, true)) }),
  };
  return { pod: { ...pod, spec }, targets, originals, handlers, warnings };
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
