import type { Container, Handler, Lifecycle, Probe } from '../pod.ts';

/** The probes and hooks of a container that may go over the network, and the last part of the path that they get. Istio's names. */
const probeSlots = { readinessProbe: 'readyz', livenessProbe: 'livez', startupProbe: 'startupz' } as const;
const hookSlots = { preStop: 'prestopz', postStart: 'poststartz' } as const;

type ProbeField = keyof typeof probeSlots;
type HookField = keyof typeof hookSlots;

/** Where in a container a probe or a hook stands. */
export type HandlerSlot = ProbeField | HookField;

const probeFields = Object.keys(probeSlots) as ProbeField[];
const hookFields = Object.keys(hookSlots) as HookField[];

/** Where the sidecar answers for a container's probe: `/app-health/web/readyz`. */
export function probePath(container: string, field: ProbeField): string {
  return `/app-health/${container}/${probeSlots[field]}`;
}

/** Where the sidecar answers for a container's hook: `/app-lifecycle/web/prestopz`. */
export function hookPath(container: string, field: HookField): string {
  return `/app-lifecycle/${container}/${hookSlots[field]}`;
}

/** What one probe or hook does; the other fields of a probe say how often. */
export function actionOf(handler: Handler): Handler {
  const { httpGet, tcpSocket, grpc } = handler;
  return { ...(httpGet && { httpGet }), ...(tcpSocket && { tcpSocket }), ...(grpc && { grpc }) };
}

/** The container with each of its probes and hooks as `change` says; undefined leaves it as it is. */
export function mapHandlers(
  container: Container,
  change: (handler: Handler, path: string, slot: HandlerSlot) => Handler | undefined,
): Container {
  const changed: { -readonly [Field in keyof Container]: Container[Field] } = { ...container };
  for (const field of probeFields) {
    const probe = container[field];
    const handler = probe && change(probe, probePath(container.name, field), field);
    if (handler) changed[field] = handler as Probe;
  }
  if (container.lifecycle) {
    const lifecycle: { -readonly [Field in HookField]?: Handler } = { ...container.lifecycle };
    for (const field of hookFields) {
      const hook = container.lifecycle[field];
      const handler = hook && change(hook, hookPath(container.name, field), field);
      if (handler) lifecycle[field] = handler;
    }
    changed.lifecycle = lifecycle as Lifecycle;
  }
  return changed;
}

/** Leads those probes and hooks back that still ask for the path that they were given. */
export function replaceHandlers(container: Container, originals: Readonly<Record<string, Handler>>): Container {
  return mapHandlers(container, (handler, path) => {
    const original = Object.hasOwn(originals, path) ? originals[path] : undefined;
    if (!original || handler.httpGet?.path !== path) return undefined;
    const { httpGet: _, ...rest } = handler;
    return { ...rest, ...actionOf(original) };
  });
}

/** Reads a map of handlers by path from JSON; what is none is left out. */
export function handlersOf(text: string): Record<string, Handler> {
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value !== 'object' || value === null) return {};
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, handler]) => typeof handler === 'object' && handler !== null)
        .map(([path, handler]) => [path, actionOf(handler as Handler)]),
    );
  } catch {
    return {};
  }
}
