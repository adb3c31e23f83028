import type { Runnable } from '../runnable.ts';

/**
 * A runnable of the leader that is made anew for each term. For managers whose replicas stand by after a lost lease instead of
 * ending: what has ended once (a controller, say) cannot start again.
 */
export function eachTerm(name: string, make: () => Pick<Runnable, 'start'>): Runnable {
  return { name, group: 'leader', start: (signal) => make().start(signal) };
}
