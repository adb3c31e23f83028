import { readFileSync } from 'node:fs';
import type { CaptureOptions } from './capture-options.ts';
import { CaptureOptionError } from './check-capture-options.ts';
import { computeRules } from './compute-rules.ts';

/** Linux takes no longer argument (MAX_ARG_STRLEN, with its end). */
const longestArgumentBytes = 131_071;

/** Without comments and indentation: every pod carries it. */
const script = readFileSync(new URL('./init.sh', import.meta.url), 'utf8')
  .split('\n')
  .map((line) => line.trim())
  .filter((line) => line !== '' && !line.startsWith('#'))
  .join('\n');

/**
 * The init container's `command`: the rules and the script that loads them, for any image with sh and iptables. It runs as root with
 * NET_ADMIN and NET_RAW and nothing else, on a read-only root if need be, and may run again. It exits 0 when each family that the pod can use
 * is captured, and otherwise not 0, with the reason in the termination message.
 * @throws CaptureOptionError for a value that no rule can be made of, and for lists too long for an argument
 * @throws RangeError for mode NONE, which has no init container
 */
export function initCommand(options: CaptureOptions): string[] {
  if (options.mode === 'NONE') throw new RangeError('interception mode NONE has no init container');
  const { ipv4, ipv6 } = computeRules(options);
  const longestBytes = Math.max(ipv4.length, ipv6.length);
  if (longestBytes > longestArgumentBytes) {
    const field = longestList(options);
    const reason = `makes ${longestBytes} bytes of rules; a process takes ${longestArgumentBytes} at most: join ranges, or name fewer`;
    throw new CaptureOptionError(field, `${(options[field] as readonly unknown[]).length} values`, reason);
  }
  const routes = options.mode === 'TPROXY' && options.includeInboundPorts.length > 0;
  const tproxy = routes ? [String(options.tproxyMark), String(options.tproxyRouteTable)] : ['', ''];
  return ['sh', '-c', script, 'weft-init', ipv4, ipv6, ...tproxy];
}

function longestList(options: CaptureOptions): keyof CaptureOptions {
  const lists = (Object.keys(options) as (keyof CaptureOptions)[]).filter((field) => Array.isArray(options[field]));
  const lengthOf = (field: keyof CaptureOptions): number => (options[field] as readonly unknown[]).length;
  return lists.reduce((longest, field) => (lengthOf(field) > lengthOf(longest) ? field : longest));
}
