import type { DemoView } from '../live-view.ts';
import type { ObjectRow } from '../object-rows.ts';
import type { RouteTraffic } from '../traffic.ts';

/** An object that has got through. */
export function objectRow(fields: Partial<ObjectRow> = {}): ObjectRow {
  return {
    kind: 'ServiceEntry',
    object: 'demo/api',
    proxies: '1/1',
    ready: 'True',
    reason: 'Propagated',
    generation: '1',
    took: '3 ms',
    isAccepted: true,
    isFresh: false,
    problems: [],
    ...fields,
  };
}

/** A host that blue and green have answered for, and once nobody. */
export function routeTraffic(fields: Partial<RouteTraffic> = {}): RouteTraffic {
  return {
    host: 'api.example',
    recent: [
      { by: 'blue', code: '200' },
      { by: 'green', code: '200' },
      { by: 'blue', code: '200' },
      { by: undefined, code: '503' },
    ],
    answered: 3,
    lastFailure: { text: '503 no healthy upstream', atMs: 0 },
    ...fields,
  };
}

/** A view with something in each of its parts. */
export function demoView(fields: Partial<DemoView> = {}): DemoView {
  return {
    title: 'Weft',
    notices: ['port taken'],
    objects: [objectRow()],
    traffic: [routeTraffic()],
    services: ['blue', 'green'],
    problems: ['api.yaml:1:2: error'],
    hints: ['Ctrl-C ends everything'],
    nowMs: 2000,
    ...fields,
  };
}
