import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EndpointIndex } from './endpoint-index.ts';
import type { ServiceSpec } from './service.ts';

const specs = ['a', 'b', 'c'].map((hostname) => ({ hostname }) as ServiceSpec);
const step = fc.record({
  operation: fc.constantFrom('add', 'remove'),
  address: fc.constantFrom('10.0.0.1', '10.0.0.2'),
  spec: fc.constantFrom(...specs),
});

describe('EndpointIndex', () => {
  it('holds what a set for each address would hold, after any history', () => {
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const index = new EndpointIndex();
        const model = new Map<string, Set<ServiceSpec>>([
          ['10.0.0.1', new Set()],
          ['10.0.0.2', new Set()],
        ]);
        for (const { operation, address, spec } of steps) {
          if (operation === 'add') {
            index.add(address, spec);
            model.get(address)!.add(spec);
          } else {
            index.remove(address, spec);
            model.get(address)!.delete(spec);
          }
        }
        for (const [address, expected] of model) expect(new Set(index.at(address))).toEqual(expected);
      }),
    );
  });
});
