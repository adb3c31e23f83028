import type { DemoView } from './live-view.ts';

/** Why a run did not show what the demo is for; empty: every host was answered for, and every valid object is ready. */
export function judge({ objects, traffic }: Pick<DemoView, 'objects' | 'traffic'>, wantsTraffic: boolean): string[] {
  const unready = objects.filter(({ isAccepted, ready }) => isAccepted && ready !== 'True');
  const silent = traffic.filter(({ answered }) => answered === 0);
  return [
    ...(wantsTraffic && !traffic.length ? ['no request was sent'] : []),
    ...silent.map(({ host, lastFailure }) => `no request to ${host} was answered${lastFailure ? `: ${lastFailure.text}` : ''}`),
    ...unready.map(({ kind, object, reason }) => `${kind} ${object} is not ready: ${reason}`),
  ];
}
