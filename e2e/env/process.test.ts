import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventually } from './eventually.ts';
import { hasSetpriv, startProcess } from './process.ts';
import { startScript } from './script.ts';
import { isRunning } from './testing/is-running.ts';

const node = process.execPath;

describe('startProcess', () => {
  it('keeps both outputs and tells the exit', async () => {
    const lines: string[] = [];
    const script = 'console.log("out"); console.error("err"); process.exitCode = 3';
    const child = await startProcess({ command: node, args: ['-e', script], onLine: (line) => lines.push(line) });
    expect(await child.exited).toEqual({ code: 3, signal: null });
    expect(child.log().split('\n').sort()).toEqual(['err', 'out']);
    expect(lines).toEqual(['out']);
  });

  it('keeps only the newest output', async () => {
    const script = 'for (let i = 0; i < 1000; i++) console.log("line", i)';
    const child = await startProcess({ command: node, args: ['-e', script], logBytes: 50 });
    await child.exited;
    expect(child.log()).toBe('line 995\nline 996\nline 997\nline 998\nline 999');
  });

  it('says which program is not there', async () => {
    const child = await startProcess({ command: '/no/such/program' }).then(
      async (started) => ({ code: (await started.exited).code, log: started.log() }),
      (error: Error) => ({ code: -1, log: error.message }),
    );
    expect(child.code).not.toBe(0);
    expect(child.log).toContain('/no/such/program');
  });

  it('kills a process that does not heed SIGTERM, after the deadline', async () => {
    const script = 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1e6); console.log("up")';
    let up = false;
    const child = await startProcess({
      command: node,
      args: ['-e', script],
      onLine: () => {
        up = true;
      },
    });
    await eventually('the child to be up', () => up);
    expect(await child.stop({ deadlineMs: 50 })).toEqual({ code: null, signal: 'SIGKILL' });
    expect(await child.stop()).toEqual({ code: null, signal: 'SIGKILL' });
    expect(isRunning(child.pid)).toBe(false);
  });

  it.skipIf(!hasSetpriv())('leaves no child behind when the parent is killed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weft-process-test-'));
    const file = join(folder, 'parent.ts');
    writeFileSync(
      file,
      `import { startProcess } from '${join(import.meta.dirname, 'process.ts')}';
const child = await startProcess({ command: process.execPath, args: ['-e', 'setInterval(() => {}, 1e6)'] });
console.log(JSON.stringify({ pid: child.pid }));`,
    );
    const parent = await startScript<{ pid: number }>({ file });
    const { pid } = parent.ready;
    expect(isRunning(pid)).toBe(true);
    parent.process.child.kill('SIGKILL');
    await parent.process.exited;
    await eventually('the child to be gone', () => !isRunning(pid));
    rmSync(folder, { recursive: true });
  });
});

describe('startScript', () => {
  it('shows what a script printed when it fails to start', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weft-script-test-'));
    const file = join(folder, 'broken.ts');
    writeFileSync(file, 'console.error("no luck"); process.exitCode = 4;');
    await expect(startScript({ file, name: 'broken' })).rejects.toThrow('broken ended with exit code 4:\nno luck');
    rmSync(folder, { recursive: true });
  });
});
