import { afterEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../runtime/logger.ts';
import { FakeClock } from '../runtime/testing/fake-clock.ts';
import { parseObjects, startTestMesh, type TestMesh } from '../testing/load-mesh.ts';
import type { DirtyObjects, Ledger, Propagation } from '../xds/ledger.ts';
import { StatusTracker } from './status-tracker.ts';

/** A clock on which work takes time. */
class WorkingClock extends FakeClock {
  #workedMs = 0;

  override monotonicMs(): number {
    return super.monotonicMs() + this.#workedMs;
  }

  work(durationMs: number): void {
    this.#workedMs += durationMs;
  }
}

const nobody: Propagation = {
  affected: 0,
  acked: 0,
  rejected: 0,
  pending: 0,
  rejections: [],
  laggards: [],
  pendingSince: undefined,
  revision: Number.MAX_SAFE_INTEGER,
  current: true,
};

let test: TestMesh;
let status: StatusTracker;

afterEach(async () => {
  status.close();
  await test.stop();
});

/** A tracker of ten objects, whose counting takes `countMs` each. */
async function start(countMs: number) {
  test = await startTestMesh();
  const names = Array.from({ length: 10 }, (_, index) => `svc-${index}`);
  const document = (name: string) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { namespace: shop, name: ${name} }
spec: { hosts: [${name}.example.com], ports: [{ number: 80, name: http, protocol: HTTP }] }
`;
  await test.apply(...parseObjects(names.map(document).join('---')));
  const clock = new WorkingClock();
  let tell: (objects: DirtyObjects) => void = () => {};
  let counted: string[] = [];
  const ledger = {
    onDirty(listener: typeof tell) {
      tell = listener;
      return () => {};
    },
    propagation(object: string) {
      counted.push(object);
      clock.work(countMs);
      return nobody;
    },
  } as unknown as Ledger;
  status = new StatusTracker({ mesh: test.mesh, ledger, clock, logger: silentLogger });
  const keys = names.map((name) => `ServiceEntry/shop/${name}`);
  /** What was counted since the last call. */
  const takeCounted = () => {
    const taken = counted;
    counted = [];
    return taken;
  };
  return { clock, keys, tell: (...objects: string[]) => tell(new Set(objects)), takeCounted };
}

describe('the pace of StatusTracker', () => {
  it('counts at once where that costs nothing', async () => {
    const { keys, tell, takeCounted } = await start(0);
    tell(...keys);
    expect(takeCounted()).toEqual(keys);
    tell(keys[0]!);
    expect(takeCounted()).toEqual([keys[0]]);
  });

  it('lets others work between slices, and loses no object', async () => {
    const { clock, keys, tell, takeCounted } = await start(2);
    tell(...keys);
    expect(takeCounted()).toEqual(keys.slice(0, 3));
    clock.advance(19);
    expect(takeCounted()).toEqual([]);
    clock.advance(1);
    expect(takeCounted()).toEqual(keys.slice(3, 6));
    clock.advance(40);
    expect(takeCounted()).toEqual(keys.slice(6));
  });

  it('counts an object that many acknowledgements move once in a while, and after the last one', async () => {
    const { clock, keys, tell, takeCounted } = await start(0.1);
    for (let acknowledgement = 0; acknowledgement < 15; acknowledgement++) {
      tell(keys[0]!);
      clock.advance(0.5);
    }
    expect(takeCounted().length).toBeLessThanOrEqual(2);
    clock.advance(5);
    expect(takeCounted()).toEqual([keys[0]]);
    clock.advance(50);
    expect(takeCounted()).toEqual([]);
  });
});
