import type { Compiled } from '../fragment-reconciler.ts';

/** EnvoyFilters are read and validated, and said not to be applied: a filter that silently did nothing would be worse. */
export function compileEnvoyFilter(): Compiled {
  return {
    outcome: 'unsupported',
    finding: {
      severity: 'error',
      path: 'spec',
      segments: ['spec'],
      message: 'EnvoyFilter is validated but not applied by this version of Weft',
    },
  };
}
