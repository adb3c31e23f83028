import { readFileSync } from 'node:fs';

/** True while a process with this id runs; a dead one that its parent has not waited for yet does not run. */
export const isRunning = (pid: number): boolean => {
  try {
    // The state follows the name, which is in brackets and may hold anything.
    return !/\) [ZX] [^)]*$/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};
