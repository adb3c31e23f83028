import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { Command } from 'commander';
import { expect, it } from 'vitest';
import { defaultAuthorityTimes } from '../../src/authority/authority-times.ts';
import { addOperatorCommand } from '../../src/cli/commands/operator.ts';
import { defaultMeshConfig } from '../../src/mesh/mesh-config.ts';
import { createOperator } from '../../src/operator.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { defaultInjectionConfig } from '../../src/webhooks/injector/config/injection-config.ts';
import { readInjectionConfig } from '../../src/webhooks/injector/config/read-injection-config.ts';
import { chartFolder } from './helm.ts';
import { readRender, renders } from './renders.ts';

interface Deployment {
  readonly spec: { readonly template: { readonly spec: { readonly containers: readonly { readonly args: string[] }[] } } };
}

const injectionOf = (file: string) => readRender<{ data: Record<string, string> }>(file, 'ConfigMap')!.data['injection.yaml']!;

it.each(renders)('%s: the operator has every flag that it is given', async (file) => {
  const [name, ...args] = readRender<Deployment>(file, 'Deployment')!.spec.template.spec.containers[0]!.args;
  expect(name).toBe('operator');
  const program = new Command();
  addOperatorCommand(program);
  const command = program.commands[0]!.exitOverride().configureOutput({ writeErr: () => {} });
  // Read as it is read, without the operator that would follow.
  expect(() => command.parseOptions(args)).not.toThrow();
  expect(command.parseOptions(args).unknown).toEqual([]);
});

it.each(renders)('%s: the injection configuration is legal', (file) => {
  const { config, errors, warnings } = readInjectionConfig(injectionOf(file), file);
  expect([...errors, ...warnings]).toEqual([]);
  expect(config.xds.address).toMatch(/^weft.*\.weft-system\.svc:15012$/);
});

it('the chart’s own injection settings are the defaults, apart from what it calls things', () => {
  const { config } = readInjectionConfig(injectionOf('defaults.out.yaml'), 'injection.yaml');
  const { init, ignoredNamespaces, xds } = defaultInjectionConfig;
  expect(config).toEqual({
    ...defaultInjectionConfig,
    ignoredNamespaces: ['weft-system', ...ignoredNamespaces],
    xds: { ...xds, caConfigMap: 'weft-ca-root-cert' },
    init,
  });
});

it('every metric of the dashboard is one that the operator has', async () => {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromClusterAndUser({ name: 'none', server: 'http://127.0.0.1:1', skipTLSVerify: false }, { name: 'none' });
  const bind = { host: '127.0.0.1', port: 0 };
  const { manager } = createOperator({
    ...{ kubeConfig, namespace: 'weft-system', config: defaultMeshConfig, logger: silentLogger, leaderElection: {} },
    ...{ httpBind: bind, metricsBind: bind, healthBind: bind },
    security: {
      ...{ xdsBind: bind, webhookBind: bind, tokenAudiences: ['weft'], injection: defaultInjectionConfig },
      trust: {
        issuer: { type: 'secret', secretName: 'none', times: defaultAuthorityTimes, names: [] },
        ...{ webhookConfiguration: 'none', rootConfigMap: { name: 'none', key: 'none' } },
      },
    },
  });
  const known = new Set(manager.registry.getMetricsAsArray().map(({ name }) => name));
  const dashboard = JSON.parse(readFileSync(join(chartFolder, 'files/dashboard.json'), 'utf8')) as {
    panels: { targets: { expr: string }[] }[];
  };
  const names = dashboard.panels.flatMap(({ targets }) => targets.flatMap(({ expr }) => [...expr.matchAll(/([a-z0-9_]+)\{/g)]));
  const unknown = names.map(([, name]) => name!.replace(/_(bucket|sum|count)$/, '')).filter((name) => !known.has(name));
  expect(names.length).toBeGreaterThan(15);
  expect(unknown).toEqual([]);
});
