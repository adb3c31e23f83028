import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { DeepReadonly } from '../../runtime/object.ts';
import type { PublishedObject } from '../published-status.ts';

/** What Argo CD shows of an object's health. */
export type ArgoHealth = 'Progressing' | 'Healthy' | 'Degraded';

const page = readFileSync(join(import.meta.dirname, '../../../docs/guides/gitops.md'), 'utf8');
const [, block = ''] = /^```yaml\n(.*?)^```$/ms.exec(page) ?? [];
const script: string = parse(block).data['resource.customizations.health.networking.istio.io_ServiceEntry'];

/** An interpreter of Lua; undefined if there is none here. `apt-get install lua5.3` brings one. */
export const lua = ['lua5.1', 'lua5.3', 'lua5.4', 'lua'].find((name) => spawnSync(name, ['-v']).status === 0);

/** What the health check that the guide gives says of each object, run by a Lua interpreter with no more than Argo CD gives it. */
export function argoHealthOf(objects: readonly DeepReadonly<PublishedObject>[]): ArgoHealth[] {
  const program = `
    local source = ${literalOf(script)}
    for _, object in ipairs(${literalOf(objects)}) do
      local scope = { obj = object, ipairs = ipairs, pairs = pairs, string = string }
      local check = setfenv and setfenv(loadstring(source), scope) or load(source, "health", "t", scope)
      local health = check()
      assert(type(health.message) == "string", "no message")
      print(health.status)
    end`;
  return execFileSync(lua!, ['-'], { input: program, encoding: 'utf8' }).trim().split('\n') as ArgoHealth[];
}

/** A JSON value in Lua's words. */
function literalOf(value: unknown): string {
  if (value === null || value === undefined) return 'nil';
  if (typeof value === 'string')
    return `"${[...Buffer.from(value)].map((byte) => `\\${String(byte).padStart(3, '0')}`).join('')}"`;
  if (Array.isArray(value)) return `{${value.map(literalOf).join(',')}}`;
  if (typeof value === 'object') {
    const fields = Object.entries(value).map(([name, field]) => `[${literalOf(name)}]=${literalOf(field)}`);
    return `{${fields.join(',')}}`;
  }
  return String(value);
}
