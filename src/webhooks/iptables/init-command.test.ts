import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { type CaptureOptions, defaultCaptureOptions } from './capture-options.ts';
import { CaptureOptionError } from './check-capture-options.ts';
import { computeRules } from './compute-rules.ts';
import { initCommand } from './init-command.ts';

const command = (options: Partial<CaptureOptions> = {}): string[] => initCommand({ ...defaultCaptureOptions, ...options });
const hasShellcheck = spawnSync('shellcheck', ['--version']).status === 0;
const script = new URL('./init.sh', import.meta.url).pathname;

describe('initCommand', () => {
  it('runs the script by sh, with the rules of both families', () => {
    const { ipv4, ipv6 } = computeRules(defaultCaptureOptions);
    expect(command()).toEqual(['sh', '-c', expect.stringContaining('choose iptables'), 'weft-init', ipv4, ipv6, '', '']);
  });

  it('has a mark and a table where TPROXY captures what comes in', () => {
    expect(command({ mode: 'TPROXY' }).slice(-2)).toEqual(['1337', '133']);
    expect(command({ mode: 'TPROXY', includeInboundPorts: [] }).slice(-2)).toEqual(['', '']);
  });

  it('holds nothing that Kubernetes would replace', () => {
    const text = command({ mode: 'TPROXY', dns: 'resolvConf' }).join('\n');
    expect(text).not.toContain('$$');
    expect(text.match(/\$\([^\s()]*\)/g)).toBeNull();
  });

  it('leaves the script whole when it drops its comments', () => {
    expect(spawnSync('sh', ['-n', '-c', command()[2]!])).toMatchObject({ status: 0 });
    expect(command()[2]).not.toMatch(/^\s*#/m);
  });

  it('says which list is too long for an argument', () => {
    const excludeOutboundIPRanges = Array.from({ length: 4_000 }, (_, index) => `10.${index >> 8}.${index & 255}.0/24`);
    const tooLong = () => command({ excludeOutboundIPRanges, includeOutboundPorts: [80] });
    expect(tooLong).toThrow(CaptureOptionError);
    expect(tooLong).toThrow(/^capture option excludeOutboundIPRanges: "4000 values" makes \d+ bytes of rules/);
  });

  it('has none for mode NONE', () => {
    expect(() => command({ mode: 'NONE' })).toThrow(RangeError);
  });

  it.skipIf(!hasShellcheck)('passes shellcheck', () => {
    expect(spawnSync('shellcheck', ['-s', 'sh', script], { encoding: 'utf8' })).toMatchObject({ stdout: '', status: 0 });
  });
});
