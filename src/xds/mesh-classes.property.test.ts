import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pushOrder } from '../envoy/resource.ts';
import type { Mesh } from '../mesh/mesh.ts';
import { silentLogger } from '../runtime/logger.ts';
import { worldProxies as nodes, propertyRuns, RandomWorld, worldSteps } from '../testing/random-world.ts';
import { findInconsistencies } from '../translate/consistency.ts';
import type { PatchedClass } from './classes/patched-class.ts';
import { type FilterSource, filtersOf } from './filter-source.ts';
import { MeshClasses } from './mesh-classes.ts';
import type { ProxyClass } from './proxy-class.ts';
import { Comparisons } from './session/compare-tables.ts';

/** Of filters on trial, every second proxy has nothing and waits for them. */
function trialSource(mesh: Mesh, trials: ReadonlySet<string>): FilterSource {
  return {
    select(node) {
      const { filters } = filtersOf(mesh).select(node);
      const isTrying = nodes.indexOf(node) % 2 === 0;
      const awaited = isTrying ? [] : filters.filter(({ key }) => trials.has(key));
      return { filters: filters.filter((filter) => !awaited.includes(filter)), awaiting: awaited.map(({ key }) => key) };
    },
  };
}

const labelChoices = [{}, ...nodes.map(({ labels }) => labels)];

/** `node`: a proxy that comes or goes; `relabel`: a proxy's pod gets the labels of another; `trial`: of a filter, one begins or ends. */
const step = fc.oneof(
  ...worldSteps,
  { weight: 2, arbitrary: fc.constant({ type: 'refresh' as const }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('toggle' as const), node: fc.nat(nodes.length - 1) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('relabel' as const),
      node: fc.nat(nodes.length - 1),
      labels: fc.constantFrom(...labelChoices),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('trial' as const), filter: fc.nat(20) }) },
);

describe('what is kept incrementally', () => {
  it('equals what is computed from nothing, and is consistent, after any history', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.array(step, { maxLength: 60, size: 'max' }), (isSettled, history) => {
        const world = new RandomWorld(isSettled);
        for (const [index, node] of nodes.entries()) node.labels = labelChoices[index + 1]!;
        const { wired, present, seen } = world;
        const trials = new Set<string>();
        const classes = new MeshClasses(wired.mesh, silentLogger, trialSource(wired.mesh, trials));
        const connect = (index: number) => {
          const holder = new Holder(classes.join(nodes[index]!));
          holder.look(present.keys());
          return holder;
        };
        const connected = new Map([0, 1, 2].map((index) => [index, connect(index)]));
        const refresh = () => {
          const { moved, objects } = classes.refresh();
          const comparisons = new Comparisons();
          for (const holder of connected.values()) {
            holder.catchUp();
            holder.look(objects);
          }
          for (const node of moved) {
            const holder = connected.get(nodes.indexOf(node))!;
            const left = holder.proxyClass;
            holder.move(classes.join(node), comparisons);
            holder.affecting.clear();
            holder.look(present.keys());
            classes.leave(left, node);
          }
        };
        for (const event of history) {
          if (event.type === 'refresh') refresh();
          else if (event.type === 'trial') {
            const filters = [...wired.mesh.envoyFilters.values()];
            const filter = filters[event.filter % filters.length];
            if (!filter) continue;
            if (!trials.delete(filter.key)) trials.add(filter.key);
            wired.mesh.announce(filter.key, filter.namespace);
          } else if (event.type === 'relabel') {
            nodes[event.node]!.labels = event.labels;
            classes.reconsider(nodes[event.node]!);
          } else if (event.type === 'toggle') {
            const holder = connected.get(event.node);
            if (holder) classes.leave(holder.proxyClass, nodes[event.node]!);
            if (holder) connected.delete(event.node);
            else connected.set(event.node, connect(event.node));
          } else world.take(event);
        }
        wired.work();
        refresh();
        const fresh = world.fromNothing();
        const freshClasses = new MeshClasses(fresh.mesh, silentLogger, trialSource(fresh.mesh, trials));
        const filters = [...wired.mesh.envoyFilters.values()].map(({ key }) => key);
        for (const [index, { proxyClass, held, affecting }] of connected) {
          const affects = (object: string) => namesOf(proxyClass, object).size > 0;
          // Who looks only at what a refresh names misses no object that came to affect a proxy, or ceased to.
          expect([...affecting].sort()).toEqual([...present.keys()].filter(affects).sort());
          // Nor does who asks for the classes that an object may concern miss one.
          const hasFootprint = (object: string) => proxyClass.footprint(object) !== undefined;
          const isFound = (object: string) => new Set<ProxyClass>(classes.concerning(object)).has(proxyClass);
          expect([...seen].filter((object) => hasFootprint(object) && !isFound(object))).toEqual([]);
          expect(withoutGenerations(proxyClass.key)).toBe(withoutGenerations(freshClasses.classKeyOf(nodes[index]!)));
          const kept = contents(proxyClass);
          const computed = freshClasses.join(nodes[index]!);
          expect(kept).toEqual(contents(computed));
          expect(Object.fromEntries(held)).toEqual(kept);
          for (const filter of filters) expect(namesOf(proxyClass, filter)).toEqual(namesOf(computed, filter));
          // A filter may take a cluster away from under its endpoints, or refer to what is not there: what it is made from is consistent.
          const { base } = proxyClass as PatchedClass;
          expect(findInconsistencies(pushOrder.flatMap((typeUrl) => [...base.resources(typeUrl).values()]))).toEqual([]);
        }
        for (const filter of filters) expect(classes.patchReport(filter)).toEqual(freshClasses.patchReport(filter));
        for (const [index, { proxyClass }] of connected) classes.leave(proxyClass, nodes[index]!);
        expect(classes.size).toEqual({ bases: 0, classes: 0, members: 0 });
        wired.close();
        fresh.close();
      }),
      propertyRuns(400),
    );
  }, 900_000);
});

/** What derives from an object in a class. */
function namesOf(proxyClass: ProxyClass, object: string): ReadonlyMap<string, ReadonlySet<string>> {
  return proxyClass.footprint(object)?.names ?? new Map();
}

function contents(proxyClass: ProxyClass): Record<string, string> {
  const entries = pushOrder.flatMap((typeUrl) =>
    [...proxyClass.table(typeUrl).values()].map((resource): [string, string] => [
      `${typeUrl} ${resource.name}`,
      resource.version,
    ]),
  );
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** What a proxy of a class holds by applying what its tables say has changed. */
class Holder {
  proxyClass: ProxyClass;
  /** Versions, by type and name. */
  readonly held: Map<string, string>;
  /** Objects that have a part in the class, as far as it was looked at. */
  readonly affecting = new Set<string>();
  #revision: number;

  constructor(proxyClass: ProxyClass) {
    this.proxyClass = proxyClass;
    this.held = new Map(Object.entries(contents(proxyClass)));
    this.#revision = proxyClass.revision;
  }

  /** Takes what has changed since; bytes that it has are never among it. */
  catchUp(): void {
    for (const typeUrl of pushOrder) {
      const delta = this.proxyClass.table(typeUrl).since(this.#revision)!;
      for (const { name, version } of delta.changed) this.#take(`${typeUrl} ${name}`, version);
      for (const { name } of delta.removed) this.held.delete(`${typeUrl} ${name}`);
    }
    this.#revision = this.proxyClass.revision;
  }

  look(objects: Iterable<string>): void {
    for (const object of objects) {
      if (namesOf(this.proxyClass, object).size > 0) this.affecting.add(object);
      else this.affecting.delete(object);
    }
  }

  move(to: ProxyClass, comparisons: Comparisons): void {
    for (const typeUrl of pushOrder) {
      const { changed, removed } = comparisons.compare(this.proxyClass, to, typeUrl);
      for (const name of changed) this.#take(`${typeUrl} ${name}`, to.table(typeUrl).get(name)!.version);
      for (const { name } of removed) this.held.delete(`${typeUrl} ${name}`);
    }
    this.proxyClass = to;
    this.#revision = to.revision;
  }

  #take(key: string, version: string): void {
    expect(this.held.get(key)).not.toBe(version);
    this.held.set(key, version);
  }
}

/** A source from nothing counts generations anew. */
function withoutGenerations(classKey: string): string {
  return classKey.replaceAll(/@[^|/]*\/\d+\//g, '@');
}
