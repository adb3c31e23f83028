import { Command } from 'commander';
import { vi } from 'vitest';

/** What a command printed, and what it failed with, with the name of the test's folder taken out. */
export interface Printed {
  readonly stdout: string;
  readonly stderr: string;
  readonly error?: string;
}

/** Runs a command of the CLI in this process. */
export async function runCommand(
  addCommand: (program: Command) => void,
  args: readonly string[],
  folder: string,
): Promise<Printed> {
  const printed = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((stream) =>
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      printed[stream] += text.toString().replaceAll(folder, '');
      return true;
    }),
  );
  const program = new Command();
  addCommand(program);
  const failed = await program.parseAsync(args, { from: 'user' }).then(
    () => ({}),
    (error: Error) => ({ error: error.message.replaceAll(folder, '') }),
  );
  for (const spy of spies) spy.mockRestore();
  return { ...printed, ...failed };
}
