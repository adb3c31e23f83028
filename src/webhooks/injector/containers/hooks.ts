import type { InjectionConfig } from '../config/injection-config.ts';
import type { Lifecycle, PodSpec } from '../pod.ts';
import type { InjectionSettings } from '../settings.ts';

/** How long a held application waits for the sidecar before its pod's start has failed, as Istio's agent waits. */
const holdSeconds = 60;
const defaultTerminationDrainMs = 5_000;
/** Kubernetes' default. */
const defaultGraceSeconds = 30;

/**
 * The hooks by which the sidecar holds the application, and outlives its work.
 *
 * A native sidecar gets its signal when the application has ended, so it only asks its clients to leave when the pod begins to end. A
 * classic one gets it at once, and Envoy stops at once: its hook drains, and waits as long as Istio's agent would.
 *
 * Without a shell it only waits, by a hook that Kubernetes refuses where it is longer than the pod's grace period: nothing outlives that.
 *
 * They are commands of the image's shell on loopback: a hook that came over the pod's network would be open to everybody there.
 * @param spec of the pod, as its templates leave it
 */
export function hooksOf(
  { isNative, holds, shell, proxyConfig }: InjectionSettings,
  config: InjectionConfig,
  spec: PodSpec,
): Lifecycle | undefined {
  const { lifecycle } = config.proxy;
  if (lifecycle) return lifecycle as Lifecycle;
  const drainMs = proxyConfig.terminationDrainDurationMs ?? defaultTerminationDrainMs;
  const drainSeconds = Math.ceil(drainMs / 1000);
  if (shell === '') {
    const { terminationGracePeriodSeconds = defaultGraceSeconds } = spec as { terminationGracePeriodSeconds?: number };
    const seconds = Math.min(drainSeconds, terminationGracePeriodSeconds);
    return isNative || seconds <= 0 || config.sleepHooks === false ? undefined : { preStop: { sleep: { seconds } } };
  }
  const run = (script: string) => ({ exec: { command: [shell, '-c', script] } });
  const drain = drainScript(proxyConfig.proxyAdminPort ?? config.ports.admin);
  return {
    preStop: run(isNative || drainSeconds === 0 ? drain : `${drain}; sleep ${drainSeconds}`),
    ...(holds && { postStart: run(waitScript(config.ports.health)) }),
  };
}

/** Inbound connections are told to close after their present request; the listeners stay, for clients that come late. */
function drainScript(adminPort: number): string {
  const path = '/drain_listeners?inboundonly&graceful&skip_exit';
  return (
    `exec 3<>/dev/tcp/127.0.0.1/${adminPort} && ` +
    `printf 'POST ${path} HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n' >&3 && cat <&3`
  );
}

/** The kubelet starts the next container when this has ended. */
function waitScript(healthPort: number): string {
  return (
    `for i in {1..${holdSeconds * 4}}; do ` +
    `if (exec 3<>/dev/tcp/localhost/${healthPort} && ` +
    `printf 'GET /healthz/ready HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && ` +
    'read -r _ code _ <&3 && [ "$code" = 200 ]) 2>/dev/null; then exit 0; fi; sleep 0.25; done; ' +
    `echo 'the sidecar is not ready after ${holdSeconds} seconds' >&2; exit 1`
  );
}
