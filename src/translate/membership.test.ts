import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { typeUrls } from '../envoy/resource.ts';
import type { Service } from '../mesh/service.ts';
import { Membership } from './membership.ts';

const step = fc.record({
  operation: fc.constantFrom('join', 'leave'),
  egress: fc.integer({ min: 0, max: 2 }),
  hostname: fc.constantFrom('a', 'b', 'c'),
});

describe('Membership', () => {
  it('answers the newest service of each host of the first egress listener, after any history', () => {
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const membership = new Membership(typeUrls.cluster, 'outbound|80||a');
        const model = new Map<string, Service>();
        for (const { operation, egress, hostname } of steps) {
          const key = `${egress} ${hostname}`;
          if (operation === 'join') {
            const service = { spec: { hostname } } as Service;
            membership.join(egress, service);
            model.set(key, service);
          } else {
            model.delete(key);
            expect(membership.leave(egress, hostname)).toBe(model.size === 0);
          }
        }
        if (model.size === 0) return;
        const first = Math.min(...[...model.keys()].map((key) => Number(key[0])));
        const expected = [...model].filter(([key]) => key.startsWith(String(first))).map(([, service]) => service);
        const { egress, services } = membership.first();
        expect(egress).toBe(first);
        expect(new Set(services)).toEqual(new Set(expected));
      }),
    );
  });
});
