import { createHash } from 'node:crypto';
import { pushOrder, type Resource, type ResourceReference, type TypeUrl, typeUrls } from '../../envoy/resource.ts';
import type { ObjectKey } from '../../mesh/object-key.ts';
import type { ProxyNode } from '../../mesh/proxy.ts';
import type { ObjectFootprint, ProxyClass, ProxyClasses, Refresh, Urgency } from '../proxy-class.ts';
import { ResourceTable } from '../resource-table.ts';
import type { ResourceReader } from './resource-reader.ts';

/** What {@link fakeResource} puts into a resource's bytes. */
export interface FakeBody {
  readonly name: string;
  readonly body: string;
  readonly requires: readonly ResourceReference[];
}

/** A resource whose bytes are JSON that repeats its references, so that a test client can follow them as a proxy does. */
export function fakeResource(
  typeUrl: TypeUrl,
  name: string,
  body = '',
  extra: { requires?: readonly ResourceReference[]; provenance?: readonly ObjectKey[] } = {},
): Resource {
  const requires = extra.requires ?? [];
  const value = Buffer.from(JSON.stringify({ name, body, requires } satisfies FakeBody));
  const version = createHash('sha256').update(value).digest('base64url').slice(0, 12);
  return { typeUrl, name, version, value, provenance: extra.provenance ?? [], requires };
}

/** Reads {@link fakeResource}'s bytes for a test client. */
export const fakeReader: ResourceReader = {
  nameOf: (_typeUrl, value) => readFake(value).name,
  referencesOf: (_typeUrl, value) => readFake(value).requires,
};

/** What {@link fakeResource} put into these bytes. */
export function readFake(value: Uint8Array): FakeBody {
  return JSON.parse(Buffer.from(value).toString()) as FakeBody;
}

/** A class that tests fill by hand. */
export class FakeClass implements ProxyClass {
  readonly key: string;
  revision: number;
  members = 0;
  /** Behind every resource but endpoints, from its next put on; what others change of it later is theirs. */
  sidecarKey: ObjectKey | undefined;
  /** Objects of which a newer version is on trial with others. */
  readonly awaiting = new Set<ObjectKey>();
  readonly #tables: ReadonlyMap<TypeUrl, ResourceTable>;
  readonly #footprints = new Map<ObjectKey, { names: Map<TypeUrl, Set<string>>; required: Map<TypeUrl, number> }>();

  constructor(key: string, revision: number) {
    this.key = key;
    this.revision = revision;
    this.#tables = new Map(pushOrder.map((typeUrl) => [typeUrl, new ResourceTable(typeUrl, revision)]));
  }

  table(typeUrl: TypeUrl): ResourceTable {
    return this.#tables.get(typeUrl)!;
  }

  emptyEndpoints(name: string): Resource {
    return fakeResource(typeUrls.endpoint, name, 'empty');
  }

  footprint(object: ObjectKey): ObjectFootprint | undefined {
    const footprint = this.#footprints.get(object);
    return footprint && this.awaiting.has(object) ? { ...footprint, isAwaiting: true } : footprint;
  }

  changedAt(object: ObjectKey, typeUrl: TypeUrl): number {
    return this.#footprints.get(object)?.required.get(typeUrl) ?? -1;
  }

  *objectsRequiredSince(revision: number): Iterable<ObjectKey> {
    for (const [object, { required }] of this.#footprints) {
      if (required.values().some((each) => each > revision)) yield object;
    }
  }

  put(resource: Resource): boolean {
    if (!this.table(resource.typeUrl).set(resource, this.revision)) return false;
    const { sidecarKey } = this;
    const { name, typeUrl, provenance } = resource;
    const isShaped = sidecarKey !== undefined && typeUrl !== typeUrls.endpoint;
    const isKnown = isShaped && this.#footprints.get(sidecarKey)?.names.get(typeUrl)?.has(name);
    for (const object of isShaped && !isKnown ? [...provenance, sidecarKey] : provenance) {
      const footprint = this.#require(object, resource.typeUrl);
      footprint.names.get(resource.typeUrl)!.add(resource.name);
    }
    return true;
  }

  delete(typeUrl: TypeUrl, name: string): boolean {
    const gone = this.table(typeUrl).delete(name, this.revision);
    for (const object of gone?.provenance ?? []) this.#require(object, typeUrl).names.get(typeUrl)!.delete(name);
    return gone !== undefined;
  }

  #require(object: ObjectKey, typeUrl: TypeUrl) {
    const footprint = this.#footprints.get(object) ?? { names: new Map(), required: new Map() };
    this.#footprints.set(object, footprint);
    footprint.required.set(typeUrl, this.revision);
    if (!footprint.names.has(typeUrl)) footprint.names.set(typeUrl, new Set());
    return footprint;
  }
}

/** One change to a {@link FakeClass}. */
export type FakeEdit = { readonly put: Resource } | { readonly remove: { readonly typeUrl: TypeUrl; readonly name: string } };

/** Classes in memory: edits are queued as a mesh would queue them and reach the tables with the next refresh. */
export class FakeClasses implements ProxyClasses {
  meshRevision = 1;
  readonly classes = new Map<string, FakeClass>();
  /** Which class a proxy belongs to. Default: all in `main`. */
  classOf: (node: ProxyNode) => string = () => 'main';
  readonly #listeners = new Set<(urgency: Urgency) => void>();
  #edits: { key: string; edit: FakeEdit }[] = [];
  readonly #joined = new Map<ProxyNode, string>();

  /** The class of that key, made if it is missing. */
  at(key = 'main'): FakeClass {
    let found = this.classes.get(key);
    if (!found) {
      found = new FakeClass(key, this.meshRevision);
      this.classes.set(key, found);
    }
    return found;
  }

  /** Changes a class, by the next refresh; all edits of one call are one change of the mesh. */
  edit(edits: readonly FakeEdit[], urgency: Urgency = 'configuration', key = 'main'): void {
    this.meshRevision++;
    for (const edit of edits) this.#edits.push({ key, edit });
    for (const listener of this.#listeners) listener(urgency);
  }

  /** Says that proxies may belong to other classes from now on. */
  changeMembership(classOf: (node: ProxyNode) => string): void {
    this.meshRevision++;
    this.classOf = classOf;
    for (const listener of this.#listeners) listener('configuration');
  }

  join(node: ProxyNode): ProxyClass {
    const key = this.classOf(node);
    const isNew = !this.classes.has(key);
    const joined = this.at(key);
    // A class is computed from the mesh as it is now, ahead of the refresh that is due.
    if (isNew) for (const each of this.#edits) if (each.key === key) applyEdit(joined, each.edit);
    joined.members++;
    this.#joined.set(node, key);
    return joined;
  }

  leave(proxyClass: ProxyClass, node: ProxyNode): void {
    this.at(proxyClass.key).members--;
    if (this.#joined.get(node) === proxyClass.key) this.#joined.delete(node);
  }

  classKeyOf(node: ProxyNode): string {
    return this.classOf(node);
  }

  reconsider(): void {
    for (const listener of this.#listeners) listener('configuration');
  }

  onChange(listener: (urgency: Urgency) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  concerning(): Iterable<ProxyClass> {
    return this.classes.values();
  }

  wouldChange(proxyClass: ProxyClass, node: ProxyNode): boolean {
    return proxyClass.key !== this.classOf(node);
  }

  patchReport(): undefined {}

  refresh(): Refresh {
    for (const each of this.classes.values()) each.revision = this.meshRevision;
    const changed = new Set<ProxyClass>();
    const objects = new Set<ObjectKey>();
    for (const { key, edit } of this.#edits) {
      const target = this.at(key);
      if ('put' in edit) {
        for (const object of edit.put.provenance) objects.add(object);
      } else {
        for (const object of target.table(edit.remove.typeUrl).get(edit.remove.name)?.provenance ?? []) objects.add(object);
      }
      if (!applyEdit(target, edit)) continue;
      changed.add(target);
      if (target.sidecarKey) objects.add(target.sidecarKey);
    }
    this.#edits = [];
    const moved = [...this.#joined].filter(([node, key]) => this.classOf(node) !== key).map(([node]) => node);
    return { changed: [...changed], moved, objects };
  }
}

function applyEdit(target: FakeClass, edit: FakeEdit): boolean {
  return 'put' in edit ? target.put(edit.put) : target.delete(edit.remove.typeUrl, edit.remove.name);
}
