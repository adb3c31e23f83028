import { describe, expect, it } from 'vitest';
import { type CaptureOptions, defaultCaptureOptions, proxyOwner } from './capture-options.ts';
import { CaptureOptionError, checkCaptureOptions } from './check-capture-options.ts';

const check = (options: Partial<CaptureOptions>) => checkCaptureOptions({ ...defaultCaptureOptions, ...options });

describe('checkCaptureOptions', () => {
  it('takes the defaults, and good values of every list', () => {
    check({});
    check({ includeOutboundIPRanges: ['10.0.0.0/8', '10.1.2.3/8', '0.0.0.0/0', '::/0', '2001:db8::/32', '::1/128'] });
    check({ includeInboundPorts: [], excludeInboundPorts: [0, 65_535], statusPort: 0 });
    check({ excludeInterfaces: ['eth0', 'veth+', 'net1.100', 'tap-abc_1'] });
    check({ nameservers: ['10.96.0.10', 'fd00::a'] });
  });

  it.each<[keyof CaptureOptions, unknown]>([
    ['includeOutboundIPRanges', '10.0.0.0'],
    ['includeOutboundIPRanges', '10.0.0.0/33'],
    ['includeOutboundIPRanges', '010.0.0.0/8'],
    ['includeOutboundIPRanges', '10/8'],
    ['includeOutboundIPRanges', 'fe80::1%eth0/64'],
    ['includeOutboundIPRanges', '2001:db8::/129'],
    ['includeOutboundIPRanges', '10.0.0.0/8 -j ACCEPT'],
    ['excludeOutboundIPRanges', '*'],
    ['excludeOutboundIPRanges', ' 10.0.0.0/8'],
    ['includeInboundPorts', 65_536],
    ['excludeInboundPorts', -1],
    ['includeOutboundPorts', '80'],
    ['excludeOutboundPorts', 1.5],
    ['excludeOutboundPorts', '*'],
    ['statusPort', Number.NaN],
    ['outboundPort', 0],
    ['proxyUids', -1],
    ['proxyGids', 2 ** 32],
    ['tproxyMark', 0],
    ['nameservers', 'fe80::1%eth0'],
    ['nameservers', 'ns.example.com'],
    ['excludeInterfaces', 'eth0\nCOMMIT'],
    ['excludeInterfaces', '-j'],
    ['excludeInterfaces', ''],
    ['excludeInterfaces', '+'],
    ['excludeInterfaces', 'a-name-too-long-'],
    ['excludeInterfaces', 'a"b'],
  ])('refuses %s %j, and names it', (field, value) => {
    const isList = Array.isArray(defaultCaptureOptions[field]) || /IPRanges|Ports$|nameservers/.test(field);
    const options = { [field]: isList && value !== '*' ? [value] : value };
    expect(() => check(options)).toThrow(CaptureOptionError);
    expect(() => check(options)).toThrow(`capture option ${field}: ${JSON.stringify(value)} must be`);
  });
});

describe('proxyOwner', () => {
  it('knows a sidecar that runs as root by its group alone', () => {
    expect(proxyOwner('REDIRECT')).toEqual({ proxyUids: [1337], proxyGids: [1337] });
    expect(proxyOwner('REDIRECT', { runAsUser: 2000 })).toEqual({ proxyUids: [2000], proxyGids: [2000] });
    expect(proxyOwner('TPROXY', { runAsUser: 2000 })).toEqual({ proxyUids: [1337], proxyGids: [1337] });
    expect(proxyOwner('TPROXY', { runAsUser: 0, runAsGroup: 3000 })).toEqual({ proxyUids: [1337], proxyGids: [3000] });
  });
});
