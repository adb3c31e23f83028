import type { LabelSelector } from '../cache/label-selector.ts';
import type { KubernetesObject } from '../object.ts';
import type { ResourceKind } from '../resource-kind.ts';
import { resourcePath } from './resource-path.ts';
import type { RestClient } from './rest-client.ts';
import { formatSelector } from './selector-query.ts';

/** Which objects to list, and how. */
export interface ListPagesOptions {
  /** Default: all namespaces. */
  readonly namespace?: string;
  readonly labelSelector?: LabelSelector;
  readonly fieldSelector?: string;
  /** Objects in one answer. Default 500, client-go's. */
  readonly pageSize?: number;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  readonly maxRetries?: number;
}

/** Some of the objects of a list. */
export interface ListPage<T extends KubernetesObject> {
  /** Type meta and namespace filled in, where the API server leaves them out. */
  readonly items: T[];
  /** That of the whole list, the same on each page: a watch goes on from it. */
  readonly resourceVersion: string;
}

interface ListAnswer<T> {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items?: T[];
}

/**
 * Lists a kind's objects page by page, as they all were at one moment. No resource version is asked for: the answer is the newest
 * state. (`resourceVersion=0` would let an API server that lags behind answer, and ignores the page size.)
 * Throws `ApiError`: 410 if reading took so long that the continue token has expired.
 */
export async function* listPages<T extends KubernetesObject>(
  rest: RestClient,
  kind: ResourceKind<T>,
  options: ListPagesOptions,
): AsyncGenerator<ListPage<T>, void, undefined> {
  const { namespace, labelSelector, fieldSelector, pageSize = 500, signal, timeoutMs, maxRetries } = options;
  const path = resourcePath(kind, namespace);
  const apiVersion = kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;
  let token: string | undefined;
  do {
    const query = { limit: pageSize, continue: token, labelSelector: formatSelector(labelSelector), fieldSelector };
    const { metadata = {}, items } = await rest.request<ListAnswer<T>>({ path, query, signal, timeoutMs, maxRetries });
    for (const item of items ?? []) {
      item.apiVersion ??= apiVersion;
      item.kind ??= kind.kind;
      item.metadata.namespace ??= '';
    }
    yield { items: items ?? [], resourceVersion: metadata.resourceVersion ?? '' };
    token = metadata.continue || undefined;
  } while (token !== undefined);
}
