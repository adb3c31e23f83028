import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { ResourceEvent, ResourceMeta } from '@dot-i/k8s-operator';
import { CoreV1Api, type KubeConfig, type V1CustomResourceDefinitionVersion } from '@kubernetes/client-node';
import { parse } from 'yaml';
import { ignoreNotFound, isAlreadyExists } from '../client/api-error.ts';
import { RestClient } from '../client/rest-client.ts';
import type { Logger } from '../logger.ts';
import { checkKubeConfig, replaceDefaultKubeConfig } from './kube-config.ts';

// The package is CommonJS with a default export, which loaders hand to an import in different ways; all agree on require.
const { default: Operator, ResourceMetaImpl } = createRequire(import.meta.url)(
  '@dot-i/k8s-operator',
) as typeof import('@dot-i/k8s-operator', { with: { 'resolution-mode': 'require' }});

export interface OperatorShellOptions {
  readonly kubeConfig: KubeConfig;
  readonly logger: Logger;
  /** Default: a client of the kubeconfig's cluster, closed by {@link OperatorShell.stop}. */
  readonly rest?: RestClient;
}

const crdsPath = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

const mergePatch = 'application/merge-patch+json';

/**
 * The Operator of `@dot-i/k8s-operator` on this project's client. The library keeps its lifecycle (`start` calls `init`), its logger
 * and its way with finalizers. It was written for client-node 0.20: what reads that client's `basePath` and errors, or relies on
 * its watch, is done anew here. Unlike the library's, these methods reject when the API server refuses, so that the caller tries again.
 */
export abstract class OperatorShell extends Operator {
  declare readonly kubeConfig: KubeConfig;
  declare readonly logger: Logger;
  /** Plain requests to the API server. */
  readonly rest: RestClient;

  /** Throws if the kubeconfig's current context names no cluster. */
  constructor({ kubeConfig, logger, rest }: OperatorShellOptions) {
    checkKubeConfig(kubeConfig);
    const restore = replaceDefaultKubeConfig(kubeConfig);
    try {
      super(logger);
    } finally {
      restore();
    }
    this.kubeConfig = kubeConfig;
    this.k8sApi = kubeConfig.makeApiClient(CoreV1Api);
    this.rest = rest ?? new RestClient({ kubeConfig });
  }

  /** The library's watch is not offered: it keeps one queue for all kinds, loses deletes in a gap, and ends the process on an error. */
  protected override watchResource(group: string, version: string, plural: string): Promise<never> {
    const what = `${plural}.${group === '' ? version : `${group}/${version}`}`;
    return Promise.reject(new Error(`watchResource(${what}) is not supported: use controllerManagedBy(manager).for(kind)`));
  }

  /** Creates the CRD of a YAML file; one that exists stays as it is. */
  protected override async registerCustomResourceDefinition(
    crdFile: string,
  ): Promise<{ group: string; versions: V1CustomResourceDefinitionVersion[]; plural: string }> {
    const crd = parse(await readFile(crdFile, 'utf8'));
    if (!String(crd?.apiVersion).startsWith('apiextensions.k8s.io/') || crd.kind !== 'CustomResourceDefinition')
      throw new Error(`${crdFile}: not a CustomResourceDefinition of apiextensions.k8s.io, but ${crd?.apiVersion} ${crd?.kind}`);
    try {
      await this.rest.request({ method: 'POST', path: crdsPath, body: crd });
      this.logger.info('Registered custom resource definition', { crd: crd.metadata.name });
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
    return { group: crd.spec.group, versions: crd.spec.versions, plural: crd.spec.names.plural };
  }

  /** The address of a kind's objects; no namespace: of all of them. */
  protected override getCustomResourceApiUri(group: string, version: string, plural: string, namespace?: string): string {
    const { server } = this.kubeConfig.getCurrentCluster()!;
    return server.replace(/\/$/, '') + pathOf(group === '' ? version : `${group}/${version}`, plural, namespace);
  }

  /** Replaces the status; undefined is told as null: the object is gone. Rejects on a conflict with `meta.resourceVersion`. */
  protected override setResourceStatus(meta: ResourceMeta, status: unknown): Promise<ResourceMeta | null> {
    return this.#writeStatus('PUT', meta, status);
  }

  /** Merges into the status (RFC 7386); null: the object is gone. Rejects on a conflict with `meta.resourceVersion`. */
  protected override patchResourceStatus(meta: ResourceMeta, status: unknown): Promise<ResourceMeta | null> {
    return this.#writeStatus('PATCH', meta, status);
  }

  /** As the library does it, but the event's object is left alone, since a cache may share it. */
  protected override handleResourceFinalizer(
    event: ResourceEvent,
    finalizer: string,
    deleteAction: (event: ResourceEvent) => Promise<void>,
  ): Promise<boolean> {
    return super.handleResourceFinalizer({ ...event, object: structuredClone(event.object) }, finalizer, deleteAction);
  }

  /** Replaces the finalizers. Rejects on a conflict with `meta.resourceVersion`, since it would take another's finalizer away. */
  protected override async setResourceFinalizers(meta: ResourceMeta, finalizers: string[]): Promise<void> {
    const body = { metadata: { finalizers, resourceVersion: meta.resourceVersion } };
    await ignoreNotFound(this.rest.request({ method: 'PATCH', path: objectPathOf(meta), body, contentType: mergePatch }));
  }

  async #writeStatus(method: 'PUT' | 'PATCH', meta: ResourceMeta, status: unknown): Promise<ResourceMeta | null> {
    const { apiVersion, kind, name, namespace, resourceVersion } = meta;
    const body = { apiVersion, kind, metadata: { name, namespace, resourceVersion }, status };
    const contentType = method === 'PATCH' ? mergePatch : 'application/json';
    const path = `${objectPathOf(meta)}/status`;
    const written = await ignoreNotFound(
      this.rest.request<Parameters<typeof ResourceMetaImpl.createWithId>[1]>({ method, path, body, contentType }),
    );
    return written ? ResourceMetaImpl.createWithId(meta.id, written) : null;
  }
}

/** The id of a {@link ResourceMeta} is `plural.group/version`. */
function objectPathOf(meta: ResourceMeta): string {
  const plural = meta.id.slice(0, meta.id.indexOf('.'));
  return `${pathOf(meta.apiVersion, plural, meta.namespace)}/${encodeURIComponent(meta.name)}`;
}

function pathOf(apiVersion: string, plural: string, namespace?: string): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  return `${root}${namespace ? `/namespaces/${encodeURIComponent(namespace)}` : ''}/${plural}`;
}
