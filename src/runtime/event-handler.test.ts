import { describe, expect, it } from 'vitest';
import type { Event } from './event.ts';
import {
  enqueueRequestForObject,
  enqueueRequestsFromMapFunc,
  eventHandlerOf,
  lowPriority,
  queueForEvent,
} from './event-handler.ts';
import type { AddOptions } from './queue/work-queue.ts';
import { type Widget, widget } from './testing/objects.ts';

function recordingQueue() {
  const added: [string, number][] = [];
  const addWithOptions = (options: AddOptions, ...keys: string[]) =>
    void added.push(...keys.map((key) => [key, options.priority ?? 0] as [string, number]));
  return { added, queue: { add: (key: string) => addWithOptions({}, key), addWithOptions } };
}

const create = (isInInitialList: boolean): Event<Widget> => ({ type: 'create', object: widget('ns/a', 'x'), isInInitialList });
const update = (before: string, after: string): Event<Widget> => ({
  type: 'update',
  objectOld: widget('ns/a', 'x', { resourceVersion: before }),
  objectNew: widget('ns/a', 'y', { resourceVersion: after }),
});
const remove: Event<Widget> = { type: 'delete', object: widget('ns/a', 'x'), deleteStateUnknown: false };
const generic: Event<Widget> = { type: 'generic', object: widget('ns/a', 'x') };

describe('event handlers', () => {
  it.each([
    ['create of the first list', create(true), lowPriority],
    ['live create', create(false), 0],
    ['empty update', update('1', '1'), lowPriority],
    ['update', update('1', '2'), 0],
    ['delete', remove, 0],
    ['generic', generic, 0],
  ])('a %s gets its priority', (_, event, priority) => {
    const { added, queue } = recordingQueue();
    const own = queueForEvent(queue, event, lowPriority);
    enqueueRequestForObject(event, own);
    own.addWithOptions({ afterMs: 5 }, 'b');
    own.addWithOptions({ priority: 3 }, 'c');
    expect(added).toEqual([
      ['ns/a', priority],
      ['b', priority],
      ['c', 3],
    ]);
  });

  it('map the old and the new object of an update, each name once', () => {
    const { added, queue } = recordingQueue();
    const handler = enqueueRequestsFromMapFunc<Widget>((object) => [`ns/${object.spec.value}`, 'ns/both']);
    handler(update('1', '2'), queue);
    handler(remove, queue);
    expect(added.map(([name]) => name)).toEqual(['ns/x', 'ns/both', 'ns/y', 'ns/x', 'ns/both']);
  });

  it('made of functions drop the types they have none for', () => {
    const seen: string[] = [];
    const handler = eventHandlerOf<Widget>({
      create: (event) => void seen.push(event.type),
      delete: (event) => void seen.push(event.type),
    });
    for (const event of [create(false), update('1', '2'), remove, generic]) handler(event, recordingQueue().queue);
    expect(seen).toEqual(['create', 'delete']);
  });
});
