import { createContext, Script } from 'node:vm';

/** Longer versions match nothing: what proxies say of themselves is not to be trusted. */
const versionLimit = 256;
/** How long one match may take, in milliseconds. */
const timeoutMs = 20;
/** The limit is of time that passes, also while other processes run: a match that had no time is tried again, so often. */
const starvedTries = 10;
/** Answers that are remembered for each pattern; a mesh has few versions. */
const rememberedLimit = 64;

const answers = new WeakMap<RegExp, Map<string, boolean>>();
/** One for all: to make one costs a millisecond. */
const context: { pattern?: RegExp; version?: string } = createContext({});
const script = new Script('pattern.test(version)');

/**
 * Whether a version matches a pattern. Patterns are Go's, which match in linear time; JavaScript's engine may take for ever, and this process
 * with it, where a pattern like `(1+)+$` meets a version that was made for it. Such a match is given up, and counts as none.
 */
export function matchesVersion(pattern: RegExp, version: string): boolean {
  if (version.length > versionLimit) return false;
  const known = answers.get(pattern) ?? new Map<string, boolean>();
  answers.set(pattern, known);
  const answer = known.get(version);
  if (answer !== undefined) return answer;
  const isMatch = test(pattern, version);
  if (isMatch === undefined) return false;
  if (known.size >= rememberedLimit) known.clear();
  known.set(version, isMatch);
  return isMatch;
}

/** Undefined: not found out, for the process was given no CPU. */
function test(pattern: RegExp, version: string): boolean | undefined {
  Object.assign(context, { pattern, version });
  for (let tries = 0; tries < starvedTries; tries++) {
    const before = process.threadCpuUsage();
    try {
      return script.runInContext(context, { timeout: timeoutMs }) as boolean;
    } catch {
      const { user, system } = process.threadCpuUsage(before);
      if (user + system >= (timeoutMs / 2) * 1000) return false;
    }
  }
  return undefined;
}
