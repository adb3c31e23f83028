import type { ControlPlane } from './control-plane.ts';
import type { DemoOptions } from './options.ts';
import type { Plan } from './plan.ts';

/** What a newcomer may do next. */
export function hintsFor(
  { samples }: DemoOptions,
  { addressFlag }: Pick<ControlPlane, 'addressFlag'>,
  { routes }: Plan,
): string[] {
  const http = routes.find(({ protocol }) => protocol === 'http');
  return [
    `Edit ${samples}/… and watch: a weight, an endpoint, a mistake. Ctrl-C ends everything.`,
    'In a second terminal:',
    `  npm exec weft -- status --watch${addressFlag}`,
    ...(http ? [`  curl -H 'Host: ${http.host}' http://${http.address}/`] : []),
  ];
}
