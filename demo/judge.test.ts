import { describe, expect, it } from 'vitest';
import { judge } from './judge.ts';
import { objectRow, routeTraffic } from './testing/views.ts';

const objects = [objectRow()];
const traffic = [routeTraffic()];

describe('judge', () => {
  it('is content when requests flow and every valid object is ready', () => {
    expect(judge({ objects, traffic }, true)).toEqual([]);
  });

  it('does not hold an invalid object against the run', () => {
    expect(judge({ objects: [objectRow({ ready: 'False', isAccepted: false })], traffic }, true)).toEqual([]);
  });

  it('names an object that has not got ready', () => {
    const refused = objectRow({ ready: 'False', reason: 'ProxyRejected' });
    expect(judge({ objects: [refused], traffic }, true)).toEqual(['ServiceEntry demo/api is not ready: ProxyRejected']);
  });

  it('names a host that was never answered for', () => {
    const silent = routeTraffic({ answered: 0, lastFailure: { text: 'ECONNREFUSED', atMs: 0 } });
    expect(judge({ objects, traffic: [silent] }, true)).toEqual(['no request to api.example was answered: ECONNREFUSED']);
  });

  it('misses traffic only where it was wanted', () => {
    expect(judge({ objects, traffic: [] }, true)).toEqual(['no request was sent']);
    expect(judge({ objects, traffic: [] }, false)).toEqual([]);
  });
});
