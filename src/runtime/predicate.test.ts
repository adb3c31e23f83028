import { describe, expect, it } from 'vitest';
import type { Event } from './event.ts';
import type { ObjectMeta } from './object.ts';
import {
  and,
  annotationChanged,
  generationChanged,
  labelChanged,
  not,
  objectMatches,
  or,
  type Predicate,
  resourceVersionChanged,
} from './predicate.ts';
import { type Widget, widget } from './testing/objects.ts';

const update = (objectOld: Partial<ObjectMeta>, objectNew: Partial<ObjectMeta>): Event<Widget> => ({
  type: 'update',
  objectOld: widget('ns/a', '', objectOld),
  objectNew: widget('ns/a', '', objectNew),
});
const create: Event<Widget> = { type: 'create', object: widget('ns/a'), isInInitialList: false };

describe('predicates of change', () => {
  it.each([
    ['generationChanged', generationChanged, { generation: 1 }, { generation: 2 }, { generation: 1, labels: { a: 'b' } }],
    [
      'resourceVersionChanged',
      resourceVersionChanged,
      { resourceVersion: '1' },
      { resourceVersion: '2' },
      { resourceVersion: '1' },
    ],
    ['labelChanged', labelChanged, { labels: { a: '1' } }, { labels: { b: '1' } }, { labels: { a: '1' }, generation: 7 }],
    ['labelChanged from none', labelChanged, {}, { labels: { a: '1' } }, { labels: {} }],
    [
      'annotationChanged',
      annotationChanged,
      { annotations: { a: '1' } },
      { annotations: { a: '2' } },
      { annotations: { a: '1' } },
    ],
  ] as const)('%s drops only updates that left its part alone', (_, predicate: Predicate, before, changed, same) => {
    expect(predicate(update(before, changed))).toBe(true);
    expect(predicate(update(before, same))).toBe(false);
    expect(predicate(create)).toBe(true);
    expect(predicate({ type: 'delete', object: widget('ns/a'), deleteStateUnknown: false })).toBe(true);
  });
});

describe('combinations', () => {
  const yes: Predicate = () => true;
  const no: Predicate = () => false;

  it('and, or, not', () => {
    expect([and(yes, yes)(create), and(yes, no)(create), and()(create)]).toEqual([true, false, true]);
    expect([or(no, yes)(create), or(no, no)(create), or()(create)]).toEqual([true, false, false]);
    expect(not(yes)(create)).toBe(false);
  });

  it('objectMatches looks at the new object of an update', () => {
    const inGroup = objectMatches((object) => object.metadata.labels?.app === 'x');
    expect(inGroup(update({ labels: { app: 'x' } }, {}))).toBe(false);
    expect(inGroup(update({}, { labels: { app: 'x' } }))).toBe(true);
  });
});
