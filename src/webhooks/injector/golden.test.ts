import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromJson } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { envoyTypes } from '../../envoy/registry.ts';
import { injectPod } from './inject-pod.ts';
import type { Container, Pod } from './pod.ts';
import { type CaseHeader, caseDirectory, caseNames, readCase } from './testing/golden-case.ts';

/** `npm run golden` rewrites every expectation. */
const isUpdate = process.env.UPDATE_GOLDEN === '1';

describe('injection', () => {
  it.each(caseNames)('%s', (name) => {
    const { header, request } = readCase(name);
    const result = injectPod(request);
    const { capture: _, ...shown } = { capture: undefined, ...result };
    const actual = render('pod' in shown ? { ...shown, pod: shorten(shown.pod, header) } : shown);
    const expected = join(caseDirectory, `${name}.out.yaml`);
    if (isUpdate || !existsSync(expected)) {
      if (process.env.CI && !isUpdate) throw new Error(`${expected} is missing`);
      writeFileSync(expected, actual);
    }
    expect(actual).toBe(readFileSync(expected, 'utf8'));
    if (result.outcome === 'injected') expectBootstrap(result.pod);
    if (result.outcome === 'injected') expect(injectPod({ ...request, pod: result.pod })).toEqual(result);
  });

  it('has many of them', () => {
    expect(caseNames.length).toBeGreaterThanOrEqual(60);
  });
});

/** What EnvoyFilter's patches read it by knows each of its fields. */
function expectBootstrap(pod: Pod): void {
  const proxy = [...(pod.spec.initContainers ?? []), ...pod.spec.containers].find(({ name }) => name === 'istio-proxy');
  const at = proxy?.args?.indexOf('--config-yaml') ?? -1;
  if (at < 0) return;
  const types = envoyTypes();
  fromJson(types.getMessage('envoy.config.bootstrap.v3.Bootstrap')!, JSON.parse(proxy!.args![at + 1]!), { registry: types });
}

/** Long arguments are left out, except for what the case is about. */
function shorten(pod: Pod, { bootstrap = [], rules = false }: CaseHeader): Pod {
  const shortenContainer = (container: Container): Container => {
    if (container.name === 'istio-init' && Array.isArray(container.command)) {
      const [shell, flag, , name, ipv4, ipv6, ...rest] = container.command as string[];
      const shown = rules ? [ipv4, ipv6] : ['(IPv4 rules)', '(IPv6 rules)'];
      return { ...container, command: [shell, flag, '(script)', name, ...shown, ...rest] };
    }
    const at = container.args?.indexOf('--config-yaml') ?? -1;
    if (container.name !== 'istio-proxy' || at < 0) return container;
    const whole = JSON.parse(container.args![at + 1]!) as unknown;
    const shown = bootstrap.map((path) => [path, path.split('.').reduce((part, field) => (part as never)?.[field], whole)]);
    const args = container.args!.with(at + 1, '(bootstrap)');
    return { ...container, args, ...(shown.length && { bootstrap: Object.fromEntries(shown) }) };
  };
  const { containers, initContainers } = pod.spec;
  const spec = {
    ...pod.spec,
    containers: containers.map(shortenContainer),
    ...(initContainers && { initContainers: initContainers.map(shortenContainer) }),
  };
  return { ...pod, spec };
}

function render(value: unknown): string {
  return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false, blockQuote: 'literal' });
}
