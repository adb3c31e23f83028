import { describe, expect, it } from 'vitest';
import { openScreen, type ScreenStream } from './screen.ts';
import { demoView, objectRow, routeTraffic } from './testing/views.ts';

function makeStream(fields: Partial<ScreenStream> = {}) {
  const written: string[] = [];
  const stream = { columns: 81, rows: 24, resize: () => {}, ...fields } as ScreenStream & { resize: () => void };
  stream.write = (text) => written.push(text);
  stream.on = (_, listener) => {
    stream.resize = listener;
  };
  stream.off = () => {
    stream.resize = () => {};
  };
  return { stream, written, take: () => written.splice(0).join('') };
}

describe('on a terminal', () => {
  it('draws in place: from the top left, each line cleared to its end, what was below cleared', () => {
    const { stream, take } = makeStream({ isTTY: true });
    const screen = openScreen(stream);
    expect(take()).toBe('\x1b[?1049h\x1b[?25l');
    screen.show(demoView());
    const picture = take();
    expect(picture).toMatch(/^\x1b\[\?2026h\x1b\[H/);
    expect(picture).toMatch(/\x1b\[K\x1b\[J\x1b\[\?2026l$/);
    expect(picture).not.toMatch(/[^\r]\n|\x1b\[2J/);
    expect(picture.split('\r\n').every((line) => line.includes('\x1b[K'))).toBe(true);
    screen.close();
  });

  it('draws again in the new size', () => {
    const { stream, take } = makeStream({ isTTY: true });
    const screen = openScreen(stream);
    screen.show(demoView({ hints: ['0123456789'] }));
    take();
    Object.assign(stream, { columns: 6 });
    stream.resize();
    expect(take().replace(/\x1b\[[\d;?]*[a-zA-Z]/g, '')).toContain('0123…');
    screen.close();
  });

  it('gives the terminal back with the last picture, once', () => {
    const { stream, take } = makeStream({ isTTY: true });
    const listeners = process.listenerCount('exit');
    const screen = openScreen(stream);
    screen.show(demoView());
    take();
    screen.close();
    const left = take();
    expect(left).toMatch(/^\x1b\[\?25h\x1b\[\?1049l/);
    expect(left).toContain('api.example');
    screen.close();
    screen.show(demoView());
    expect(take()).toBe('');
    expect(process.listenerCount('exit')).toBe(listeners);
  });
});

describe('elsewhere', () => {
  const open = () => {
    const { stream, take } = makeStream();
    let nowMs = 0;
    const screen = openScreen(stream, () => nowMs);
    return {
      screen,
      take,
      showAt: (ms: number, view = demoView()) => {
        nowMs = ms;
        screen.show(view);
        return take();
      },
    };
  };
  const changed = demoView({ objects: [objectRow({ generation: '2' })] });

  it('prints without control sequences, and says once what to try', () => {
    const { showAt } = open();
    const first = showAt(0);
    expect(first).not.toContain('\x1b');
    expect(first).toContain('Ctrl-C ends everything');
    expect(showAt(2000, changed)).not.toContain('Ctrl-C ends everything');
  });

  it('prints when something has changed, a second after the last print at the earliest', () => {
    const { showAt } = open();
    showAt(0);
    expect(showAt(500, changed)).toBe('');
    expect(showAt(1000, changed)).toContain('ServiceEntry');
    expect(showAt(2500, changed)).toBe('');
  });

  it('shows once more, later, what a change did to the traffic', () => {
    const { showAt } = open();
    const later = demoView({ traffic: [routeTraffic({ answered: 99 })] });
    showAt(0);
    expect(showAt(4999, later)).toBe('');
    expect(showAt(5000, later)).not.toBe('');
    expect(showAt(60_000, later)).toBe('');
  });

  it('ends with the last picture unless that is printed already', () => {
    const { showAt, screen, take } = open();
    showAt(0);
    showAt(500, changed);
    screen.close();
    expect(take()).toContain('ServiceEntry');
    const other = open();
    other.showAt(0);
    other.screen.close();
    expect(other.take()).toBe('');
  });
});
