import { describe, expect, it } from 'vitest';
import type { Event } from './event.ts';
import { enqueueRequestForOwner } from './event-handler.ts';
import type { OwnerReference } from './object.ts';
import { controllerOf, hasOwner, ownerReferenceTo, withControllerOwner, withOwner, withoutOwner } from './owner-reference.ts';
import { type Widget, widget, widgetKind } from './testing/objects.ts';

const owner = widget('ns/owner', '', { uid: 'u1' });
const other = widget('ns/other', '', { uid: 'u2' });
const metadata = { name: 'part', namespace: 'ns' };

describe('owner references', () => {
  it('are added once, replaced and removed, by group, kind and name', () => {
    const once = withOwner(metadata, owner);
    expect(once.ownerReferences).toEqual([{ apiVersion: 'example.com/v1', kind: 'Widget', name: 'owner', uid: 'u1' }]);
    const anew = withOwner(once, { ...owner, apiVersion: 'example.com/v2', metadata: { ...owner.metadata, uid: 'u9' } });
    expect(anew.ownerReferences).toEqual([{ apiVersion: 'example.com/v2', kind: 'Widget', name: 'owner', uid: 'u9' }]);
    expect(hasOwner(anew, owner)).toBe(true);
    expect(hasOwner(anew, other)).toBe(false);
    expect(withoutOwner(withOwner(anew, other), owner).ownerReferences).toEqual([ownerReferenceTo(other)]);
    expect(metadata).not.toHaveProperty('ownerReferences');
  });

  it('name one managing owner', () => {
    const managed = withControllerOwner(metadata, owner);
    expect(controllerOf(managed)).toMatchObject({ name: 'owner', controller: true, blockOwnerDeletion: true });
    expect(withControllerOwner(managed, owner)).toEqual(managed);
    expect(() => withControllerOwner(managed, other)).toThrow('ns/part is managed by Widget owner already; Widget other cannot');
    expect(controllerOf(withOwner(metadata, owner))).toBeUndefined();
  });

  it('need an owner that is stored, in the same namespace or in none', () => {
    expect(() => ownerReferenceTo(widget('ns/new'))).toThrow('Widget new has no uid');
    expect(() => withOwner({ name: 'part', namespace: 'elsewhere' }, owner)).toThrow('is in namespace elsewhere');
    expect(() => withOwner({ name: 'node', namespace: '' }, owner)).toThrow('is in no namespace');
    const clusterOwner = { ...owner, metadata: { ...owner.metadata, namespace: '' } };
    expect(withOwner(metadata, clusterOwner).ownerReferences).toHaveLength(1);
  });
});

describe('enqueueRequestForOwner', () => {
  const reference = (name: string, more: Partial<OwnerReference> = {}): OwnerReference => ({
    apiVersion: 'example.com/v1',
    kind: 'Widget',
    name,
    uid: name,
    ...more,
  });
  const names = (handler: ReturnType<typeof enqueueRequestForOwner>, event: Event<Widget>) => {
    const added: string[] = [];
    handler(event, { add: (name) => void added.push(name), addWithOptions: () => {} });
    return added;
  };
  const part = (...ownerReferences: OwnerReference[]) => widget('ns/part', '', { ownerReferences });

  it('names every owner of the kind, in any version', () => {
    const object = part(
      reference('a', { apiVersion: 'example.com/v1alpha1' }),
      reference('b'),
      reference('c', { kind: 'Gadget' }),
      reference('d', { apiVersion: 'v1' }),
    );
    expect(names(enqueueRequestForOwner(widgetKind), { type: 'delete', object, deleteStateUnknown: false })).toEqual([
      'ns/a',
      'ns/b',
    ]);
    expect(names(enqueueRequestForOwner(widgetKind), { type: 'generic', object: widget('ns/x') })).toEqual([]);
  });

  it('names the managing owner alone, before and after an update', () => {
    const handler = enqueueRequestForOwner(widgetKind, { onlyController: true });
    const objectOld = part(reference('a', { controller: true }), reference('b'));
    const objectNew = part(reference('a'), reference('b', { controller: true }));
    expect(names(handler, { type: 'update', objectOld, objectNew })).toEqual(['ns/a', 'ns/b']);
  });

  it('names cluster-scoped owners without a namespace', () => {
    const handler = enqueueRequestForOwner({ ...widgetKind, scope: 'Cluster' });
    expect(names(handler, { type: 'generic', object: part(reference('a')) })).toEqual(['a']);
  });
});
