import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { addOperatorCommand } from '../../src/cli/commands/operator.ts';
import type { HostPort } from '../../src/cli/host-port.ts';
import { type LabelSelector, matchesSelector } from '../../src/runtime/cache/label-selector.ts';
import { readRender, renders } from './renders.ts';

interface Deployment {
  readonly spec: {
    readonly selector: LabelSelector;
    readonly template: {
      readonly metadata: { readonly labels: Record<string, string> };
      readonly spec: { readonly containers: readonly Container[] };
    };
  };
}

interface Container {
  readonly args: string[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly [probe: `${string}Probe`]: { readonly httpGet: { readonly port: string } };
}

interface Service {
  readonly spec: {
    readonly selector: Record<string, string>;
    readonly ports: readonly { readonly name: string; readonly port: number; readonly targetPort: string }[];
  };
}

interface Peer {
  readonly podSelector?: LabelSelector;
}

interface NetworkPolicy {
  readonly spec: {
    readonly podSelector: LabelSelector;
    readonly policyTypes: readonly string[];
    readonly ingress: readonly { readonly ports: readonly { readonly port: string }[]; readonly from?: readonly Peer[] }[];
  };
}

interface ServiceMonitor {
  readonly spec: {
    readonly selector: LabelSelector;
    readonly endpoints: readonly { readonly port: string; readonly path?: string }[];
  };
}

interface Webhooks {
  readonly webhooks: readonly {
    readonly clientConfig: { readonly service: { name: string; namespace: string; port: number; path: string } };
  }[];
}

/** What the ports of the operator are called in the chart, by the flag that opens each. */
const portNames: Readonly<Record<string, string>> = {
  xdsTlsBind: 'tls-xds',
  xdsBind: 'grpc-xds',
  webhookBind: 'webhooks',
  replicaBind: 'replicas',
  metricsBind: 'http-metrics',
  healthBind: 'health',
};

/** Where an operator with these arguments listens for others, by the names of the chart. */
function listensOn([, ...args]: readonly string[]): Map<string, number> {
  const program = new Command();
  addOperatorCommand(program);
  const command = program.commands[0]!;
  command.parseOptions([...args]);
  const binds = Object.entries(command.opts<Record<string, HostPort | undefined>>()).filter(([flag]) => flag.endsWith('Bind'));
  const open = binds.filter(([, bind]) => bind !== undefined && bind.host !== '127.0.0.1');
  return new Map(open.map(([flag, bind]) => [portNames[flag] ?? flag, bind!.port]));
}

describe.each(renders)('%s', (file) => {
  const { spec } = readRender<Deployment>(file, 'Deployment')!;
  const container = spec.template.spec.containers[0]!;
  const ports = new Map(container.ports.map(({ name, containerPort }) => [name, containerPort]));
  const pods = spec.template.metadata.labels;
  const service = readRender<Service>(file, 'Service')!;

  it('the pods have just the ports that the operator opens beyond loopback', () => {
    expect(new Map([...ports].toSorted())).toEqual(new Map([...listensOn(container.args)].toSorted()));
    for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe'] as const)
      expect(container[probe]!.httpGet.port).toBe('health');
  });

  it('the Service leads to the pods, to ports that they have', () => {
    expect(matchesSelector({ matchLabels: service.spec.selector }, pods)).toBe(true);
    expect(matchesSelector(spec.selector, pods)).toBe(true);
    for (const { targetPort } of service.spec.ports) expect([...ports.keys()]).toContain(targetPort);
    const data = readRender<{ data: Record<string, string> }>(file, 'ConfigMap')!.data['injection.yaml']!;
    const address = /address: (\S+)/.exec(data)![1];
    const { port } = service.spec.ports.find(({ targetPort }) => targetPort === 'tls-xds')!;
    expect(address).toBe(`${service.metadata.name}.weft-system.svc:${port}`);
  });

  it('webhooks are asked at a port of the Service, at a path that the operator has', () => {
    const kinds = ['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration'] as const;
    const { port } = service.spec.ports.find(({ targetPort }) => targetPort === 'webhooks')!;
    for (const [index, kind] of kinds.entries()) {
      for (const { clientConfig } of readRender<Webhooks>(file, kind)?.webhooks ?? []) {
        expect(clientConfig.service).toEqual({
          ...{ name: service.metadata.name, namespace: 'weft-system', port },
          path: expect.stringMatching([/^\/inject(\/|$)/, /^\/validate$/][index]!),
        });
      }
    }
  });

  it('the NetworkPolicy lets in on each of these ports, and lets replicas alone to theirs', () => {
    const policy = readRender<NetworkPolicy>(file, 'NetworkPolicy')?.spec;
    if (!policy) return;
    expect(policy.policyTypes).toEqual(['Ingress']);
    expect(matchesSelector(policy.podSelector, pods)).toBe(true);
    const named = policy.ingress.flatMap((rule) => rule.ports.map(({ port }) => port));
    expect(named.toSorted()).toEqual([...ports.keys()].toSorted());
    const rules = new Map(policy.ingress.flatMap(({ ports, from }) => ports.map(({ port }) => [port, from])));
    const replicas = rules.get('replicas')!;
    expect(replicas).toHaveLength(1);
    expect(matchesSelector(replicas[0]!.podSelector!, pods)).toBe(true);
    // Kubelets and proxies of any namespace come from anywhere; so do API servers where nobody says more.
    for (const port of ['tls-xds', 'health']) expect(rules.get(port), port).toBeUndefined();
    const apiServers = file === 'everything.out.yaml' ? [{ ipBlock: { cidr: '192.0.2.0/24' } }] : undefined;
    expect(rules.get('webhooks')).toEqual(apiServers);
  });

  it('the ServiceMonitor finds the Service, and metrics at its port', () => {
    const monitor = readRender<ServiceMonitor>(file, 'ServiceMonitor')?.spec;
    if (!monitor) return;
    expect(matchesSelector(monitor.selector, service.metadata.labels)).toBe(true);
    const targets = monitor.endpoints.map(({ port, path = '/metrics' }) => {
      const found = service.spec.ports.find(({ name }) => name === port);
      return [found?.targetPort, path];
    });
    expect(targets).toEqual([['http-metrics', '/metrics']]);
  });
});
