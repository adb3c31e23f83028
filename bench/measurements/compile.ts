import type { BenchContext } from '../control-plane.ts';
import { Child } from '../processes/child.ts';
import type { Compilation, CompilerOperations } from '../processes/compiler.ts';
import type { Section } from '../report.ts';

/** Objects through validation and compilation into the mesh, with no files and no proxies. */
export async function measureCompile({ quick }: BenchContext): Promise<Section> {
  const shape = { serviceEntries: quick ? 2000 : 10_000, namespaces: quick ? 20 : 100, sidecars: false };
  await using compiler = new Child<CompilerOperations>(new URL('../processes/compiler.ts', import.meta.url));
  const runs = [];
  for (let round = 0; round < (quick ? 2 : 4); round++) runs.push(await compiler.call('compile', { shape }));
  const warm = runs.slice(1).sort((a, b) => a.tookMs - b.tookMs);
  const figuresOf = ({ objects, tookMs, cpuMs }: Compilation) => ({
    objects,
    'took ms': tookMs,
    'CPU ms': cpuMs,
    'objects/s': (objects / tookMs) * 1000,
  });
  return {
    title: `Compiling ${shape.serviceEntries.toLocaleString('en')} ServiceEntries`,
    notes: [
      'From the cache through queue and reconcilers (validated) into the mesh; the WorkloadEntries that some select are among the objects.',
    ],
    rows: [
      { what: 'first time in the process', figures: figuresOf(runs[0]!) },
      { what: 'median of later times', figures: figuresOf(warm[warm.length >> 1]!) },
    ],
  };
}
