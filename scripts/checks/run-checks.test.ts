import { describe, expect, it } from 'vitest';
import { describeResults, runChecks } from './run-checks.ts';

const check = (name: string, code: string) => ({ name, command: [process.execPath, '-e', code] });

describe('runChecks', () => {
  it('goes on after a failure, and keeps the order of the checks', async () => {
    const checks = [
      check('bad', 'console.log("out"); console.error("err"); process.exit(3)'),
      check('good', ''),
      { name: 'absent', command: ['/nowhere/tool'] },
    ];
    const results = await runChecks(checks, { cwd: '.', atOnce: 2 });
    expect(results.map(({ name, ok }) => [name, ok])).toEqual([
      ['bad', false],
      ['good', true],
      ['absent', false],
    ]);
    expect(results[0]!.output).toContain('out');
    expect(results[0]!.output).toContain('err');
    expect(results[2]!.output).toContain('ENOENT');
  });

  it('counts a command that a signal ended as failed', async () => {
    const [result] = await runChecks([check('killed', 'process.kill(process.pid, "SIGKILL")')], { cwd: '.', atOnce: 1 });
    expect(result!.ok).toBe(false);
  });

  it('tells of each result as it comes', async () => {
    const told: string[] = [];
    await runChecks([check('one', ''), check('two', '')], { cwd: '.', atOnce: 1, onDone: ({ name }) => told.push(name) });
    expect(told).toEqual(['one', 'two']);
  });
});

describe('describeResults', () => {
  it('shows output only of what failed', () => {
    const text = describeResults([
      { name: 'types', ok: true, tookMs: 1234, output: 'chatter' },
      { name: 'lint', ok: false, tookMs: 50, output: 'a.ts:1\nb.ts:2' },
    ]);
    expect(text).toBe(`✔ types                1.2 s\n✘ lint                 0.1 s\n    a.ts:1\n    b.ts:2`);
  });
});
