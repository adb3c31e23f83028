import { describeExit, type ManagedProcess, type ProcessOptions, startProcess } from './process.ts';

/** A Node script of this folder that runs as a process of its own and speaks JSON lines. */
export interface RunningScript<Ready> {
  readonly process: ManagedProcess;
  /** The first line that it printed. */
  readonly ready: Ready;
  /** Sends one JSON line and gives the JSON line it answers; requests are answered in order. Rejects when the script has ended. */
  ask<Answer>(request: unknown): Promise<Answer>;
  stop(): Promise<void>;
}

/** What to run, and where. */
export interface ScriptOptions extends Pick<ProcessOptions, 'netns' | 'uid' | 'name'> {
  /** `import.meta.filename` of the script. */
  file: string;
  args?: string[];
  /** How long it may take to print its first line. Default 10,000. */
  deadlineMs?: number;
}

/** True in the process that was started to run `file`, false where it is only imported. */
export const isScript = (file: string): boolean => process.argv[1] === file;

/** Starts a script under this Node, and resolves with the first JSON line it prints. Its output is shown in the error if it fails. */
export const startScript = async <Ready>(options: ScriptOptions): Promise<RunningScript<Ready>> => {
  const { file, args = [], name = file, deadlineMs = 10_000 } = options;
  const waiting: { resolve: (value: unknown) => void; reject: (error: Error) => void }[] = [];
  const first = new Promise<Ready>((resolve, reject) => {
    waiting.push({ resolve: resolve as (value: unknown) => void, reject });
  });
  const script = await startProcess({
    ...options,
    name,
    command: process.execPath,
    args: [file, ...args],
    onLine: (line) => {
      if (line.startsWith('{')) waiting.shift()?.resolve(JSON.parse(line));
    },
  });
  const ended = script.exited.then((exit) => {
    for (const { reject } of waiting.splice(0)) reject(new Error(`${name} ended with ${describeExit(exit)}:\n${script.log()}`));
  });
  const timer = setTimeout(() => script.child.kill('SIGKILL'), deadlineMs);
  const ready = await first.finally(() => clearTimeout(timer));

  return {
    process: script,
    ready,
    ask: <Answer>(request: unknown) =>
      new Promise<Answer>((resolve, reject) => {
        if (script.hasExited()) return reject(new Error(`${name} has ended:\n${script.log()}`));
        waiting.push({ resolve: resolve as (value: unknown) => void, reject });
        script.child.stdin!.write(`${JSON.stringify(request)}\n`);
      }),
    stop: async () => {
      await script.stop();
      await ended;
    },
  };
};
