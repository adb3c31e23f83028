import type { InjectionSettings } from '../settings.ts';
import { isHook, type NetworkHandler } from './rewrite-probes.ts';

/** What there is to say of probes and hooks that do not go on as they would without a sidecar. */
export function surprisingProbes(
  handlers: readonly NetworkHandler[],
  settings: InjectionSettings,
  isCaptured: (port: number) => boolean,
): string[] {
  return [...tcpHooks(handlers), ...hooksBeforeSidecar(handlers, settings), ...capturedLater(handlers, isCaptured)];
}

/** Kubernetes takes a hook over TCP and fails it when it comes to run it; the sidecar's stands for it. */
function tcpHooks(handlers: readonly NetworkHandler[]): string[] {
  return handlers
    .filter(({ slot, kind }) => isHook(slot) && kind === 'tcp')
    .map(({ container, slot, isRewritten }) => {
      const advice = 'use httpGet or exec';
      return isRewritten
        ? `container ${container}: Kubernetes does not run a tcpSocket ${slot} hook; the sidecar does, so it is done only where there is one; ${advice}`
        : `container ${container}: Kubernetes does not run a tcpSocket ${slot} hook, and fails it; ${advice}`;
    });
}

/** The kubelet runs a postStart hook before it starts the next container, and starts a container anew whose hook has failed. */
function hooksBeforeSidecar(
  handlers: readonly NetworkHandler[],
  { isNative, holds, waitsForSidecar }: InjectionSettings,
): string[] {
  if (holds || (isNative && waitsForSidecar)) return [];
  const advice = isNative
    ? 'let the sidecar have its startup probe (a status port other than 0, proxy.startupProbe.enabled)'
    : 'set holdApplicationUntilProxyStarts in the annotation proxy.istio.io/config, or use a native sidecar';
  return handlers
    .filter(({ slot, isRewritten }) => slot === 'postStart' && isRewritten)
    .map(
      ({ container }) =>
        `container ${container}: its postStart hook asks the sidecar, which may not answer yet: the container is then started again ` +
        `until it does; ${advice}`,
    );
}

/** Left alone for the time before a classic sidecar, they are captured like everything else when the rules are set. */
function capturedLater(handlers: readonly NetworkHandler[], isCaptured: (port: number) => boolean): string[] {
  const left = handlers.filter(({ isRewritten, port }) => !isRewritten && isCaptured(port));
  return [...Map.groupBy(left, ({ container, port }) => `${container} ${port}`).values()].map((some) => {
    const { container, port } = some[0]!;
    const isBlind = some.some(({ slot, kind }) => kind === 'tcp' && !isHook(slot));
    return (
      `init container ${container}: ${some.map(({ slot }) => slot).join(', ')} stay direct, as a classic sidecar starts later; after istio-init ` +
      `they come in through it as plaintext${isBlind ? ' (over TCP they then always succeed)' : ''}; exclude port ${port} ` +
      '(traffic.sidecar.istio.io/excludeInboundPorts) or use a native sidecar'
    );
  });
}
