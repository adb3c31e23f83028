import { describe, expect, it } from 'vitest';
import { type DemoView, type Line, plainText, renderView, signatureOf } from './live-view.ts';
import { demoView, objectRow, routeTraffic } from './testing/views.ts';

const unlimited = { columns: Number.POSITIVE_INFINITY, rows: Number.POSITIVE_INFINITY };
const render = (view: DemoView, size = unlimited) => renderView(view, size).map((line) => plainText(line).trimEnd());
const styleOf = (lines: readonly Line[], text: string) => lines.flat().find((span) => span.text === text)?.style;

describe('renderView', () => {
  it('shows objects, traffic, problems and hints', () => {
    expect(`\n${render(demoView()).join('\n')}\n`).toBe(
      `
Weft
port taken

KIND          OBJECT    PROXIES  READY  REASON      GEN  TOOK
ServiceEntry  demo/api  1/1      True   Propagated  1    3 ms

HOST CALLED  LAST 20 REQUESTS  ANSWERED BY                STATUS
api.example  bgb×              blue 2, green 1, nobody 1  200 ×3, 503 ×1
last failure of api.example, 2 s ago: 503 no healthy upstream

api.yaml:1:2: error

Ctrl-C ends everything
`,
    );
  });

  it('leaves out what there is nothing to say about', () => {
    const view = demoView({ notices: [], traffic: [], problems: [], hints: [] });
    expect(render(view)).toHaveLength(4);
  });

  it('forgets a failure after a minute', () => {
    const view = demoView({ nowMs: 60_000, traffic: [routeTraffic({ lastFailure: { text: 'gone', atMs: 0 } })] });
    expect(render(view).join('\n')).not.toContain('gone');
  });

  it('colours what matters', () => {
    const objects = [
      objectRow(),
      objectRow({ object: 'demo/bad', ready: 'False' }),
      objectRow({ object: 'demo/new', isFresh: true }),
    ];
    const lines = renderView(demoView({ objects }), unlimited);
    expect(styleOf(lines, 'True')).toBe('green');
    expect(styleOf(lines, 'False')).toBe('red');
    expect(styleOf(lines, 'demo/new')).toBe('bold');
    expect(styleOf(lines, 'b')).toBe('blue');
    expect(styleOf(lines, 'green 1')).toBe('green');
    expect(styleOf(lines, '×')).toBe('red');
  });

  it.each([10, 40, 80])('keeps every line within %i columns', (columns) => {
    for (const line of render(demoView(), { columns, rows: 100 })) expect(line.length).toBeLessThanOrEqual(columns);
  });

  it.each([40, 60, 80])('loses no word of a problem in %i columns', (columns) => {
    const problem = 'samples/api.yaml:16:15: error: ServiceEntry demo/api: spec.ports[0].number: must be an integer';
    const lines = render(demoView({ problems: [problem] }), { columns, rows: 100 });
    expect(lines.map((line) => line.trim()).join(' ')).toContain(problem);
  });

  it('says that a line was cut', () => {
    expect(render(demoView({ hints: ['0123456789'] }), { columns: 5, rows: 100 }).at(-1)).toBe('0123…');
  });

  it('shortens the table to the height, and keeps what is not ready', () => {
    const objects = Array.from({ length: 50 }, (_, index) =>
      objectRow({ object: `demo/o${index}`, ready: index === 49 ? 'False' : 'True' }),
    );
    const lines = render(demoView({ objects }), { columns: 80, rows: 24 });
    expect(lines).toHaveLength(24);
    expect(lines.join('\n')).toContain('demo/o49');
    expect(lines.join('\n')).toContain('Ctrl-C ends everything');
    const shown = lines.filter((line) => line.includes('demo/o')).length;
    expect(lines.join('\n')).toContain(`… ${50 - shown} more`);
  });

  it('never exceeds a height that has no room for all', () => {
    for (const rows of [1, 5, 10]) expect(render(demoView(), { columns: 80, rows }).length).toBeLessThanOrEqual(rows);
  });
});

describe('signatureOf', () => {
  const signature = signatureOf(demoView());
  const recent = demoView().traffic[0]!.recent;

  it.each([
    ['counts', { traffic: [routeTraffic({ recent: [...recent, ...recent], answered: 99 })] }],
    ['time', { nowMs: 99_000 }],
    ['freshness', { objects: [objectRow({ isFresh: true })] }],
  ])('does not follow %s', (_, changes) => expect(signatureOf(demoView(changes))).toBe(signature));

  it.each([
    ['an object', { objects: [objectRow({ generation: '2' })] }],
    ['who answers', { traffic: [routeTraffic({ recent: recent.slice(0, 1) })] }],
    ['a problem', { problems: [] }],
    ['a notice', { notices: [] }],
  ])('follows %s', (_, changes) => expect(signatureOf(demoView(changes))).not.toBe(signature));
});
