import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { get } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { EnvoyFilterConfigPatch } from '../../src/api/envoy-filter/schema.ts';
import { makeCall, startLoad } from '../env/client.ts';
import { type ControlPlane, conditionOf, startControlPlane } from '../env/control-plane.ts';
import { startEcho } from '../env/echo-server.ts';
import { findEnvoy } from '../env/envoy-binary.ts';
import { eventually } from '../env/eventually.ts';
import { freePort } from '../env/free-port.ts';
import { createKeeper } from '../env/keeper.ts';
import { envoyFilter, serviceEntry, staticHost } from '../env/mesh-objects.ts';
import { startProxy } from '../env/proxy.ts';

const { keep, defer, release } = createKeeper();
afterEach(release);

const identity = { interceptionMode: 'NONE' } as const;
const host = 'api.example.com';
const context = 'SIDECAR_OUTBOUND' as const;

/** Adds a response header that names itself. */
const lua = (value: string) => ({
  '@type': 'type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua',
  default_source_code: {
    inline_string: `function envoy_on_response(handle)\n  handle:headers():add("x-lua", "${value}")\nend\n`,
  },
});

const beforeRouter = {
  context,
  listener: {
    filterChain: {
      filter: {
        name: 'envoy.filters.network.http_connection_manager',
        subFilter: { name: 'envoy.filters.http.router' },
      },
    },
  },
};

const insertLua = (value: string): EnvoyFilterConfigPatch => ({
  applyTo: 'HTTP_FILTER',
  match: beforeRouter,
  patch: { operation: 'INSERT_BEFORE', value: { name: 'weft.lua', typed_config: lua(value) } },
});

const directResponse = (status: number, body: string) => ({ status, body: { inline_string: body } });

const answering = (text: string) => ({
  name: 'envoy.filters.network.http_connection_manager',
  typed_config: {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: text,
    route_config: {
      name: text,
      virtual_hosts: [
        { name: text, domains: ['*'], routes: [{ match: { prefix: '/' }, direct_response: directResponse(200, text) }] },
      ],
    },
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
      },
    ],
  },
});

interface Setting {
  readonly plane: ControlPlane;
  /** The port on which clients call the host. */
  readonly port: number;
  /** Puts an EnvoyFilter of these patches in force, and waits until it has reached the proxy. */
  apply(...configPatches: EnvoyFilterConfigPatch[]): Promise<void>;
  /** Calls the host through the proxy. */
  ask(path?: string): ReturnType<typeof makeCall>;
}

/** A proxy that calls one HTTP host, whose server listens at `serverPort`. */
async function start(serverPort?: number): Promise<Setting> {
  const server = serverPort ?? (await keep(startEcho({ name: 'echo' }))).port;
  const port = await freePort();
  const entry = serviceEntry(
    'api',
    staticHost(host, { number: port, protocol: 'HTTP' }, [{ address: '127.0.0.1', port: server }]),
  );
  const plane = await keep(startControlPlane({ files: { 'api.yaml': [entry] } }));
  await keep(startProxy({ plane, identity }));
  await plane.waitReady(entry, { affected: 1 });
  return {
    ...{ plane, port },
    apply: (...configPatches) => plane.apply('filter.yaml', [envoyFilter('filter', { configPatches })], { affected: 1 }),
    ask: (path = '/') => makeCall({ to: `127.0.0.1:${port}`, host, path }),
  };
}

/** Envoy acknowledges a listener or route a moment before it serves it. */
const soon = (what: string, check: () => Promise<void>) =>
  eventually(what, async () => {
    await check();
    return true;
  });

describe.skipIf((await findEnvoy()) === undefined)('an EnvoyFilter shows in traffic', () => {
  it('HTTP_FILTER: a header added by Lua, changed, and gone with the object', async () => {
    const { plane, apply, ask } = await start();
    await apply(insertLua('one'));
    await soon('the header', async () => expect((await ask()).headers['x-lua']).toBe('one'));
    await apply(insertLua('two'));
    await soon('the changed header', async () => expect((await ask()).headers['x-lua']).toBe('two'));
    await plane.remove('filter.yaml');
    await soon('no header', async () => expect((await ask()).headers['x-lua']).toBeUndefined());
    expect((await ask()).echo?.name).toBe('echo');
  });

  it('HTTP_FILTER: a local rate limit that bites', async () => {
    const { apply, ask } = await start();
    await apply({
      applyTo: 'HTTP_FILTER',
      match: beforeRouter,
      patch: {
        operation: 'INSERT_BEFORE',
        value: {
          name: 'envoy.filters.http.local_ratelimit',
          typed_config: {
            '@type': 'type.googleapis.com/udpa.type.v1.TypedStruct',
            type_url: 'type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit',
            value: {
              stat_prefix: 'limited',
              token_bucket: { max_tokens: 3, tokens_per_fill: 3, fill_interval: '600s' },
              filter_enabled: { default_value: { numerator: 100 } },
              filter_enforced: { default_value: { numerator: 100 } },
            },
          },
        },
      },
    });
    await soon('the limit', async () => expect((await ask()).status).toBe(429));
  });

  it('HTTP_FILTER: a fault injected by a merge into a filter that the mesh generates', async () => {
    const { apply, ask } = await start();
    await apply({
      applyTo: 'HTTP_FILTER',
      match: {
        context,
        listener: {
          filterChain: {
            filter: {
              name: 'envoy.filters.network.http_connection_manager',
              subFilter: { name: 'envoy.filters.http.fault' },
            },
          },
        },
      },
      patch: {
        operation: 'MERGE',
        value: {
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault',
            abort: { http_status: 418, percentage: { numerator: 100 } },
          },
        },
      },
    });
    await soon('the fault', async () => expect((await ask()).status).toBe(418));
  });

  it('NETWORK_FILTER: an access log', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'weft-log-'));
    defer(() => rm(folder, { recursive: true }));
    const path = join(folder, 'access.log');
    const { apply, ask } = await start();
    await apply({
      applyTo: 'NETWORK_FILTER',
      match: { context, listener: { filterChain: { filter: { name: 'envoy.filters.network.http_connection_manager' } } } },
      patch: {
        operation: 'MERGE',
        value: {
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
            access_log_options: { access_log_flush_interval: '1s' },
            access_log: [
              {
                name: 'envoy.access_loggers.file',
                typed_config: {
                  '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
                  path,
                  log_format: { text_format_source: { inline_string: 'seen %REQ(:PATH)%\n' } },
                },
              },
            ],
          },
        },
      },
    });
    await soon('a line in the log', async () => {
      await ask('/logged');
      expect(await readFile(path, 'utf8').catch(() => '')).toContain('seen /logged\n');
    });
  });

  it('CLUSTER: a limit of requests', async () => {
    const { apply, ask, port } = await start();
    await apply({
      applyTo: 'CLUSTER',
      match: { context, cluster: { service: host, portNumber: port } },
      patch: { operation: 'MERGE_AND_REPLACE_LIST', value: { circuit_breakers: { thresholds: [{ max_requests: 0 }] } } },
    });
    await soon('the limit', async () => {
      const { status, body } = await ask();
      expect([status, body]).toEqual([503, expect.stringContaining('overflow')]);
    });
  });

  it('ROUTE_CONFIGURATION: a header on every answer', async () => {
    const { apply, ask, port } = await start();
    await apply({
      applyTo: 'ROUTE_CONFIGURATION',
      match: { context, routeConfiguration: { name: String(port) } },
      patch: {
        operation: 'MERGE',
        value: { response_headers_to_add: [{ header: { key: 'x-route', value: 'patched' } }] },
      },
    });
    await soon('the header', async () => expect((await ask()).headers['x-route']).toBe('patched'));
  });

  it('VIRTUAL_HOST: a header on every request', async () => {
    const { apply, ask, port } = await start();
    await apply({
      applyTo: 'VIRTUAL_HOST',
      match: { context, routeConfiguration: { vhost: { name: `${host}:${port}` } } },
      patch: { operation: 'MERGE', value: { request_headers_to_add: [{ header: { key: 'x-host', value: 'patched' } }] } },
    });
    await soon('the header', async () => expect((await ask()).echo?.headers['x-host']).toBe('patched'));
  });

  it('HTTP_ROUTE: a timeout changed, and a route of its own ahead of the rest', async () => {
    const sockets = new Set<Socket>();
    const silent = createServer((socket) => void sockets.add(socket));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    defer(async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => silent.close(resolve));
    });
    const { apply, ask } = await start((silent.address() as { port: number }).port);
    await apply(
      {
        applyTo: 'HTTP_ROUTE',
        match: { context, routeConfiguration: { vhost: { route: { action: 'ROUTE' } } } },
        patch: { operation: 'MERGE', value: { route: { timeout: '0.3s' } } },
      },
      {
        applyTo: 'HTTP_ROUTE',
        match: { context },
        patch: {
          operation: 'INSERT_FIRST',
          value: { name: 'closed', match: { path: '/closed' }, direct_response: directResponse(403, 'closed') },
        },
      },
    );
    await soon('the route', async () => expect(await ask('/closed')).toMatchObject({ status: 403, body: 'closed' }));
    expect(await ask()).toMatchObject({ status: 504, body: 'upstream request timeout' });
  });

  it('LISTENER: one of its own', async () => {
    const { apply } = await start();
    const port = await freePort();
    await apply({
      applyTo: 'LISTENER',
      match: { context },
      patch: {
        operation: 'ADD',
        value: {
          name: 'own',
          address: { socket_address: { address: '127.0.0.1', port_value: port } },
          filter_chains: [{ filters: [answering('own')] }],
        },
      },
    });
    await soon('the listener', async () => expect((await makeCall({ to: `127.0.0.1:${port}` })).body).toBe('own'));
  });

  it('FILTER_CHAIN: one for clients at an address', async () => {
    const { apply, ask, port } = await start();
    await apply({
      applyTo: 'FILTER_CHAIN',
      match: { context, listener: { portNumber: port } },
      patch: {
        operation: 'ADD',
        value: {
          filter_chain_match: { source_prefix_ranges: [{ address_prefix: '127.0.0.2', prefix_len: 32 }] },
          filters: [answering('from elsewhere')],
        },
      },
    });
    const askFrom = (localAddress: string) =>
      new Promise<string>((resolve, reject) => {
        get({ host: '127.0.0.1', port, localAddress, headers: { host }, agent: false }, async (response) => {
          resolve((await response.toArray()).join(''));
        }).on('error', reject);
      });
    await soon('the chain', async () => expect(await askFrom('127.0.0.2')).toBe('from elsewhere'));
    expect((await ask()).echo?.name).toBe('echo');
  });

  it('LISTENER_FILTER: one connection and no more', async () => {
    const { apply, ask, port } = await start();
    await apply({
      applyTo: 'LISTENER_FILTER',
      match: { context, listener: { portNumber: port } },
      patch: {
        operation: 'ADD',
        value: {
          name: 'envoy.filters.listener.local_ratelimit',
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.filters.listener.local_ratelimit.v3.LocalRateLimit',
            stat_prefix: 'limited',
            token_bucket: { max_tokens: 1, tokens_per_fill: 1, fill_interval: '600s' },
          },
        },
      },
    });
    await soon('the limit', async () => expect((await ask()).error).toBeDefined());
  });

  it('EXTENSION_CONFIG: a filter by ECDS, changed without its listener', async () => {
    const { plane, apply, ask } = await start();
    const discovered: EnvoyFilterConfigPatch = {
      applyTo: 'HTTP_FILTER',
      match: beforeRouter,
      patch: {
        operation: 'INSERT_BEFORE',
        value: {
          name: 'discovered',
          config_discovery: {
            config_source: { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' },
            type_urls: ['type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua'],
          },
        },
      },
    };
    const config = (value: string): EnvoyFilterConfigPatch => ({
      applyTo: 'EXTENSION_CONFIG',
      patch: { operation: 'ADD', value: { name: 'discovered', typed_config: lua(value) } },
    });
    await apply(discovered, config('one'));
    await soon('the header', async () => expect((await ask()).headers['x-lua']).toBe('one'));
    const listeners = await plane.metric('pilot_xds_pushes', '{type="lds"}');
    await apply(discovered, config('two'));
    await soon('the changed header', async () => expect((await ask()).headers['x-lua']).toBe('two'));
    expect(await plane.metric('pilot_xds_pushes', '{type="lds"}')).toBe(listeners);
  });
});

describe.skipIf((await findEnvoy()) === undefined)('an EnvoyFilter that Envoy refuses', () => {
  it('is quarantined: traffic goes on under the one before, new proxies start well, and mending it releases it', async () => {
    const { plane, port, apply, ask } = await start();
    await apply(insertLua('good'));
    await soon('the header', async () => expect((await ask()).headers['x-lua']).toBe('good'));
    const load = await keep(startLoad({ to: `127.0.0.1:${port}`, host }, { concurrency: 2, pauseMs: 5 }));

    const broken = insertLua('bad');
    (broken.patch!.value as { typed_config: ReturnType<typeof lua> }).typed_config.default_source_code.inline_string =
      'function (';
    const object = envoyFilter('filter', { configPatches: [broken] });
    await plane.write('filter.yaml', [object]);
    const status = await plane.waitForStatus(
      'to be quarantined',
      object,
      (each) => conditionOf(each, 'Programmed') === 'False Quarantined',
    );
    expect(conditionOf(status, 'Stalled')).toBe('True ProxyRejected');
    expect(status.conditions?.find(({ type }) => type === 'Programmed')?.message).toMatch(
      /^default\/client-1 refused 127\.0\.0\.1_\d+ of generation 2: .*script load error.*every proxy is served generation 1\)$/s,
    );

    await keep(startProxy({ plane, identity: { ...identity, pod: 'client-2' } }));
    expect((await ask()).headers['x-lua']).toBe('good');

    await plane.apply('filter.yaml', [envoyFilter('filter', { configPatches: [insertLua('mended')] })], { affected: 1 });
    await soon('the mended filter', async () => expect((await ask()).headers['x-lua']).toBe('mended'));
    expect((await load.stop()).failed).toBe(0);
  });

  it('is found out among others that come with it: only that one is quarantined', async () => {
    const { plane, ask } = await start();
    const named = (name: string, inline: string) => {
      const patch = insertLua(name);
      const value = patch.patch!.value as { name: string; typed_config: ReturnType<typeof lua> };
      value.name = `weft.${name}`;
      value.typed_config.default_source_code.inline_string = inline;
      return envoyFilter(name, { configPatches: [patch] });
    };
    const adding = (header: string) => `function envoy_on_response(handle)\n  handle:headers():add("${header}", "yes")\nend\n`;
    const [first, bad, last] = [named('a', adding('x-a')), named('b', 'function ('), named('c', adding('x-c'))];
    await plane.write('filters.yaml', [first, bad, last]);
    await plane.waitReady(first, { affected: 1 });
    await plane.waitReady(last, { affected: 1 });
    await plane.waitForStatus('to be quarantined', bad, (each) => conditionOf(each, 'Programmed') === 'False Quarantined');
    await soon('both headers', async () => expect((await ask()).headers).toMatchObject({ 'x-a': 'yes', 'x-c': 'yes' }));
  });
});
