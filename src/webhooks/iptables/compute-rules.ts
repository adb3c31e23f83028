import type { CaptureOptions } from './capture-options.ts';
import { checkCaptureOptions } from './check-capture-options.ts';
import { rawDnsRules } from './dns-rules.ts';
import { mangleRules } from './mangle-rules.ts';
import { natRules } from './nat-rules.ts';
import { type Family, formatTable, ipv4, ipv6 } from './rule-table.ts';

/** What each of the two commands is to load; empty strings where nothing is captured. */
export interface CaptureRules {
  /** Input of `iptables-restore`. */
  readonly ipv4: string;
  /** Input of `ip6tables-restore`. */
  readonly ipv6: string;
}

// The nat table comes last: without it nothing is captured, so what fails before it leaves no half of a capture.
const restoreFile = (options: CaptureOptions, family: Family): string =>
  formatTable('raw', rawDnsRules(options, family)) +
  formatTable('mangle', mangleRules(options, family)) +
  formatTable('nat', natRules(options, family));

/**
 * The rules that lead a pod's traffic to its sidecar, Istio's in names and order, as restore files. Each range stands in the file of its
 * own family. A comment line that begins with `# for each nameserver:` stands for rules that only the init container can write.
 * @throws CaptureOptionError for a value that no rule can be made of
 */
export function computeRules(options: CaptureOptions): CaptureRules {
  checkCaptureOptions(options);
  if (options.mode === 'NONE') return { ipv4: '', ipv6: '' };
  return { ipv4: restoreFile(options, ipv4), ipv6: restoreFile(options, ipv6) };
}

/**
 * Both files in one, for a person or a script to read: each behind a comment line that names its family. What `weft inject
 * --print-rules` prints.
 */
export function formatRules(options: CaptureOptions): string {
  const rules = computeRules(options);
  const none = `# none: interception mode ${options.mode}\n`;
  return `# IPv4: iptables-restore\n${rules.ipv4 || none}# IPv6: ip6tables-restore\n${rules.ipv6 || none}`;
}
