import { defaultOperatorNamespace } from '../src/cli/cluster/connection-options.ts';
import { withControlPlane } from '../src/cli/control-plane-client.ts';
import { type Diagnostic, formatDiagnostic } from '../src/sources/file/diagnostic.ts';
import type { StatusByName } from '../src/status/http-routes.ts';
import { type ObjectRow, objectRows } from './object-rows.ts';

/** How the objects stand now. */
export interface Observation {
  readonly objects: readonly ObjectRow[];
  /** What is wrong in the files, then what is wrong with objects beyond that. */
  readonly problems: readonly string[];
}

/** Asks the control plane's status port, as `weft status` does. */
export async function observe(httpAddress: string): Promise<Observation> {
  return withControlPlane({ address: httpAddress, operatorNamespace: defaultOperatorNamespace }, async (plane) => {
    const diagnostics = (await plane.askLeader<Diagnostic[]>('/diagnostics')) ?? [];
    const objects = objectRows((await plane.askLeader<StatusByName>('/status')) ?? {}, Date.now());
    return { objects, problems: [...diagnostics.map(formatDiagnostic), ...objects.flatMap(({ problems }) => problems)] };
  });
}
