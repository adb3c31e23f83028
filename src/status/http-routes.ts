import type { Registry } from 'prom-client';
import { resourceToJson } from '../envoy/registry.ts';
import { objectKey, parseObjectKey } from '../mesh/object-key.ts';
import type { XdsServer } from '../xds/server.ts';
import type { HttpAnswer, HttpHandler } from './http-server.ts';
import type { ObjectStatus } from './render-status.ts';
import type { StatusTracker } from './status-tracker.ts';

/** Status of every object: by kind, namespace and name. */
export type StatusByName = Record<string, Record<string, Record<string, ObjectStatus>>>;

export interface HttpRoutesInit {
  readonly status: StatusTracker;
  readonly xds: XdsServer;
  readonly version: string;
  /** What is wrong in the files that objects are read from; none in a cluster. */
  readonly diagnostics: () => readonly unknown[];
  /** Whether the first list has been worked off and proxies are served. */
  readonly isReady: () => boolean;
}

/** What the status and debug port answers: the client commands read nothing else. */
export function createHttpRoutes(init: HttpRoutesInit): Map<string, HttpHandler> {
  return new Map<string, HttpHandler>([
    ['status', (url) => answerStatus(init.status, url)],
    ['diagnostics', () => ({ body: init.diagnostics() })],
    ['proxies', () => ({ body: init.xds.proxies() })],
    ['config', (url) => answerConfig(init.xds, url)],
    ['ready', () => (init.isReady() ? { body: 'ready\n' } : { code: 503, body: 'not ready: shutting down\n' })],
    ['version', () => ({ body: { version: init.version } })],
  ]);
}

/** The metrics of one registry, for Prometheus. */
export function metricsHandler(registry: Registry): HttpHandler {
  return async () => ({ body: await registry.metrics(), contentType: registry.contentType });
}

/** How long a large answer is worked on before pushes get their turn, in milliseconds. */
const sliceMs = 5;

/** `/status`, or `/status/KIND`, `/status/KIND/NAMESPACE`, `/status/KIND/NAMESPACE/NAME`: the same tree, entered further down. */
async function answerStatus(status: StatusTracker, url: URL): Promise<HttpAnswer> {
  const [kind, namespace, name] = url.pathname.split('/').slice(2).filter(Boolean).map(decodeURIComponent);
  if (kind && namespace && name) {
    const found = status.get(objectKey(kind, namespace, name));
    return found ? { body: found } : { code: 404, body: { error: `${kind} ${namespace}/${name} is not known` } };
  }
  const tree: StatusByName = {};
  let sliceEndMs = performance.now() + sliceMs;
  for (const key of status.keys().sort()) {
    if (performance.now() > sliceEndMs) {
      await new Promise((resolve) => setImmediate(resolve));
      sliceEndMs = performance.now() + sliceMs;
    }
    const at = parseObjectKey(key);
    if ((kind && at.kind !== kind) || (namespace && at.namespace !== namespace)) continue;
    const found = status.get(key);
    if (!found) continue;
    tree[at.kind] ??= {};
    tree[at.kind]![at.namespace] ??= {};
    tree[at.kind]![at.namespace]![at.name] = found;
  }
  if (kind && namespace) return { body: tree[kind]?.[namespace] ?? {} };
  return { body: kind ? (tree[kind] ?? {}) : tree };
}

/** `/config/NAMESPACE/PROXY`: what a connected proxy is given, by type, in Envoy's JSON. */
function answerConfig(xds: XdsServer, url: URL) {
  const [namespace, name] = url.pathname.split('/').slice(2).filter(Boolean).map(decodeURIComponent);
  if (!namespace || !name) return { code: 400, body: { error: 'ask for /config/NAMESPACE/PROXY' } };
  const resources = xds.resources(`${namespace}/${name}`);
  if (!resources)
    return { code: 404, body: { error: `no proxy ${namespace}/${name} is connected here; /proxies lists those that are` } };
  const body: Record<string, unknown[]> = {};
  for (const [typeUrl, list] of resources) {
    body[typeUrl] = list.map((resource) => ({
      name: resource.name,
      version: resource.version,
      from: resource.provenance,
      resource: resourceToJson(resource),
    }));
  }
  return { body };
}
