import { readFile } from 'node:fs/promises';
import { expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { decideConditions, type Gathered } from '../../src/status/conditions.ts';
import { formatAddress } from '../env/address.ts';
import { buildBootstrap, type Json, typeUrl } from '../env/bootstrap.ts';
import { makeCall } from '../env/client.ts';
import { startEnvoy } from '../env/envoy.ts';

/** Argo CD's health check as the guide gives it. */
const readScript = async (): Promise<string> => {
  const page = await readFile(new URL('../../docs/guides/gitops.md', import.meta.url), 'utf8');
  const [, block = ''] = /^```yaml\n(.*?)^```$/ms.exec(page) ?? [];
  return parse(block).data['resource.customizations.health.networking.istio.io_ServiceEntry'];
};

/** A JSON value as Lua writes it. */
const toLua = (value: unknown): string => {
  if (Array.isArray(value)) return `{${value.map(toLua).join(', ')}}`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return `{${fields.map(([name, field]) => `[${JSON.stringify(name)}] = ${toLua(field)}`).join(', ')}}`;
};

const propagation = { affected: 3, acked: 3, rejected: 0, pending: 0, rejections: [], laggards: [], pendingSince: undefined };

const settled: Gathered = {
  verdict: { generation: 2, outcome: 'accepted', findings: [], generationInForce: 2 },
  hosts: [],
  rival: undefined,
  missingHosts: [],
  selectsNothing: false,
  matchablePatches: [],
  propagation: { ...propagation, revision: 1, current: true },
  isServed: true,
  wasReady: false,
  longestWaitMs: 0,
  ageMs: 0,
};

const spread = (changes: Partial<Gathered['propagation']>) => ({ propagation: { ...settled.propagation, ...changes } });

/** An object of generation 2 whose status the control plane gives it; of an earlier generation, or none, where `observed` says so. */
const objectOf = (changes: Partial<Gathered> = {}, observed = 2): object => ({
  metadata: { generation: 2 },
  status: {
    observedGeneration: observed,
    ...(observed >= 0 && { conditions: decideConditions({ ...settled, ...changes }) }),
  },
});

const invalid: Gathered['verdict'] = {
  generation: 2,
  outcome: 'invalid',
  findings: [{ severity: 'error', path: 'spec.hosts', segments: ['spec', 'hosts'], message: 'is empty' }],
  generationInForce: undefined,
};

const cases: readonly (readonly [health: string, object: object])[] = [
  ['Healthy', objectOf()],
  ['Healthy', objectOf({ ...spread({ acked: 2, pending: 1 }), wasReady: true })],
  ['Progressing', { metadata: { generation: 1 } }],
  ['Progressing', objectOf({}, -1)],
  ['Progressing', objectOf({}, 1)],
  ['Progressing', objectOf(spread({ acked: 2, pending: 1 }))],
  ['Progressing', objectOf({ ...spread({ acked: 2, pending: 1 }), longestWaitMs: 60_000 })],
  ['Degraded', objectOf({ ...spread({ acked: 2, pending: 1 }), ageMs: 3_600_000 })],
  ['Degraded', objectOf(spread({ acked: 2, rejected: 1 }))],
  ['Degraded', objectOf({ verdict: invalid })],
];

/** A listener whose Lua filter answers each request for a case's number with the health that the script finds. */
const askingListener = (script: string, objects: readonly object[]): Json => ({
  name: 'health',
  address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
  filter_chains: [
    {
      filters: [
        {
          name: 'envoy.filters.network.http_connection_manager',
          typed_config: {
            '@type': typeUrl('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
            stat_prefix: 'health',
            route_config: {
              virtual_hosts: [
                { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, direct_response: { status: 500 } }] },
              ],
            },
            http_filters: [
              {
                name: 'envoy.filters.http.lua',
                typed_config: {
                  '@type': typeUrl('envoy.extensions.filters.http.lua.v3.Lua'),
                  default_source_code: {
                    inline_string: `
local objects = ${toLua(objects)}
local function check(obj)
${script}
end
function envoy_on_request(handle)
  local health = check(objects[tonumber(handle:headers():get("x-case"))])
  handle:respond({[":status"] = "200"}, health.status .. "\\n" .. health.message)
end`,
                  },
                },
              },
              {
                name: 'envoy.filters.http.router',
                typed_config: { '@type': typeUrl('envoy.extensions.filters.http.router.v3.Router') },
              },
            ],
          },
        },
      ],
    },
  ],
});

// Envoy's Lua is of the version that Argo CD's is.
it('Argo CD’s health check says of each status what the guide says', async () => {
  const listener = askingListener(
    await readScript(),
    cases.map(([, object]) => object),
  );
  const envoy = await startEnvoy({ bootstrap: buildBootstrap({ listeners: [listener] }) });
  onTestFinished(async () => void (await envoy.stop()));
  await envoy.waitForReady();
  const [address] = await envoy.waitForListener('health');
  const told: string[] = [];
  for (const index of cases.keys()) {
    const { status, body } = await makeCall({ to: formatAddress(address!), headers: { 'x-case': `${index + 1}` } });
    const [health, message] = body.split('\n');
    expect({ status, index, message }).toEqual({ status: 200, index, message: expect.stringMatching(/\w/) });
    told.push(health!);
  }
  expect(told).toEqual(cases.map(([health]) => health));
});
