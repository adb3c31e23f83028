import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { ManagedProcess } from '../../env/process.ts';
import { appPod, appService, type Manifest, MeshNamespace } from '../mesh-pods.ts';
import { outside, startOutside } from '../outside.ts';

/** How traffic is captured: modes, kinds of sidecars, address families, exceptions, DNS. The pods come all at once, and are shared. */
const modes = new MeshNamespace(inject('kubeConfigFile'), 'modes');

const config = (text: string) => ({ 'proxy.istio.io/config': text });
const classic = { 'sidecar.istio.io/nativeSidecar': 'false' };
const capturesDns = config('proxyMetadata: {ISTIO_META_DNS_CAPTURE: "true"}');
const ready = { readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 } };
const serviceOf = (name: string, ipFamilyPolicy: string, ipFamilies: string[]): Manifest => {
  const service = appService(name);
  return { ...service, spec: { ...(service.spec as object), ipFamilyPolicy, ipFamilies } };
};
/** Through the sidecar of who asks: its route says which attempt it is. */
const throughClient = { 'x-envoy-attempt-count': '1' };
/** Through some sidecar, if it is not that of who asks. */
const throughServer = { 'x-request-id': expect.any(String) };
const families = [4, 6] as const;

let server: ManagedProcess;
const ips = new Map<string, readonly string[]>();
/** A pod's own address of a family. */
const ipOf = (pod: string, family: 4 | 6): string => ips.get(pod)!.find((ip) => ip.includes(':') === (family === 6))!;
const urlOf = (pod: string, family: 4 | 6, port = 8080): string =>
  `http://${family === 6 ? `[${ipOf(pod, 6)}]` : ipOf(pod, 4)}:${port}/`;
const addressOf = async (service: string, family: 4 | 6): Promise<string> => {
  const addresses = (await modes.field(`service/${service}`, '{.spec.clusterIPs[*]}')).split(' ');
  return addresses.find((address) => address.includes(':') === (family === 6))!;
};

beforeAll(async () => {
  await modes.create();
  await modes.apply(...['web', 'classic', 'tproxy'].map((name) => appService(name)));
  const ipv4Services = (await addressOf('web', 4)).replace(/\.\d+\.\d+$/, '.0.0/16');
  const askAtOnce = 'curl -sS --max-time 5 http://web.modes/';
  await modes.apply(
    // Where nothing is captured, the sidecar binds ports itself: those of no application here, and none below 1024, where it may not.
    { ...appService('named'), spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 7070, targetPort: 8080 }] } },
    networking('Sidecar', 'none', {
      workloadSelector: { labels: { app: 'none' } },
      egress: [{ hosts: ['./named.modes.svc.cluster.local', 'kube-system/*'] }],
    }),
    appService('local'),
    networking('Sidecar', 'tproxy', {
      workloadSelector: { labels: { app: 'tproxy' } },
      ingress: [
        { port: { number: 8080, name: 'http', protocol: 'HTTP' } },
        { port: { number: 9000, name: 'tcp', protocol: 'TCP' } },
        { port: { number: 8081, name: 'elsewhere', protocol: 'HTTP' }, defaultEndpoint: '127.0.0.1:8080' },
      ],
      egress: [{ hosts: ['*/*'] }],
    }),
    networking('Sidecar', 'local', {
      workloadSelector: { labels: { app: 'local' } },
      ingress: [{ port: { number: 8080, name: 'http', protocol: 'HTTP' }, defaultEndpoint: '[::1]:8080' }],
      egress: [{ hosts: ['./*'] }],
    }),
    serviceOf('six', 'SingleStack', ['IPv6']),
    serviceOf('four', 'RequireDualStack', ['IPv6', 'IPv4']),
    networking('ServiceEntry', 'unknown', {
      hosts: ['unknown.mesh.internal'],
      ...{ location: 'MESH_INTERNAL', resolution: 'STATIC', workloadSelector: { labels: { app: 'web' } } },
      ports: [
        { number: 80, targetPort: 8080, name: 'http', protocol: 'HTTP' },
        // To proxies that do not answer DNS it is everything on this port.
        { number: 9001, targetPort: 9000, name: 'tcp', protocol: 'TCP' },
      ],
    }),
    appPod('web', { container: ready }),
    appPod('plain', { labels: { 'sidecar.istio.io/inject': 'false' } }),
    appPod('client'),
    // Longer than the test waits for its end: it has to end by itself.
    appPod('classic', { annotations: classic, container: ready, spec: { terminationGracePeriodSeconds: 120 } }),
    appPod('tproxy', { annotations: { 'sidecar.istio.io/interceptionMode': 'TPROXY', ...capturesDns }, container: ready }),
    appPod('none', {
      annotations: {
        'sidecar.istio.io/interceptionMode': 'NONE',
        ...config('proxyMetadata: {ISTIO_META_UNPRIVILEGED_POD: "true"}'),
      },
      container: ready,
    }),
    appPod('dns', { annotations: capturesDns }),
    appPod('past', {
      annotations: {
        'traffic.sidecar.istio.io/excludeOutboundPorts': '80',
        'traffic.sidecar.istio.io/excludeInboundPorts': '8080',
      },
    }),
    appPod('own', {
      annotations: { 'traffic.sidecar.istio.io/includeOutboundIPRanges': ipv4Services },
      spec: {
        containers: [
          { name: 'app', image: 'weft/app:dev', args: ['serve'] },
          {
            ...{ name: 'istio-proxy', image: 'envoyproxy/envoy:v1.40', env: [{ name: 'OWN', value: 'own' }] },
            resources: { requests: { cpu: '11m', memory: '48Mi' } },
          },
        ],
      },
    }),
    appPod('six', { args: ['serve', 'ipv6'] }),
    appPod('local', { args: ['serve', '::1'] }),
    appPod('four', { args: ['serve', '0.0.0.0'] }),
  );
  server = await startOutside(inject('kubeConfigFile'), {});
  await modes.ready('web');
  // Its application asks before anything else; the sidecar of a pod that holds it is there by then.
  await modes.apply(
    appPod('eager', {
      annotations: { ...classic, ...config('holdApplicationUntilProxyStarts: true') },
      container: { command: ['bash', '-c', askAtOnce], args: null },
      spec: { restartPolicy: 'Never' },
    }),
  );
  const pods = ['web', 'plain', 'client', 'classic', 'tproxy', 'none', 'dns', 'past', 'own', 'six', 'four', 'local'];
  await modes.ready(...pods);
  await modes.propagated('serviceentry/unknown');
  for (const pod of pods) ips.set(pod, (await modes.field(`pod/${pod}`, '{.status.podIPs[*].ip}')).split(' '));
}, 240_000);
afterAll(async () => {
  await modes.delete();
  await server?.stop();
});

describe('a classic sidecar', () => {
  it.each(families)('is in the way of both directions over IPv%i', async (family) => {
    const out = await modes.exec('classic', 'curl', '-sSf', `-${family}`, '--max-time', '5', 'http://web.modes/');
    expect(JSON.parse(out)).toMatchObject({ pod: 'web', headers: throughClient });
    const seen = await modes.ask('client', 'http://classic.modes/', family);
    expect(seen.pod).toBe('classic');
    expect(seen.from).toMatch(/127\.0\.0\.6$|^::6$/);
    expect(await modes.say('client', await addressOf('classic', family), 9000)).toMatchObject({ pod: 'classic', said: 'hello' });
  });

  it('is there before the application’s first request, where the application is held', async () => {
    await modes.kubectl(
      'wait',
      '--for=jsonpath={.status.containerStatuses[?(@.name=="app")].state.terminated.exitCode}=0',
      'pod/eager',
    );
    expect(JSON.parse(await modes.kubectl('logs', 'eager', '-c', 'app'))).toMatchObject({ pod: 'web', headers: throughClient });
  });

  it('ends with its pod', async () => {
    await modes.kubectl('delete', 'pod', 'classic', '--timeout=60s');
  });
});

describe.each(families)('TPROXY over IPv%i', (family) => {
  /** How many the sidecar has made to the application's port of TCP. */
  const connections = async () => {
    const url = 'http://127.0.0.1:15000/stats?filter=inbound.9000.*upstream_cx_total';
    return Number(/: (\d+)/.exec(await modes.exec('tproxy', 'curl', '-sS', url))?.[1] ?? 0);
  };

  it('lets the application see who connects, by HTTP and TCP', async () => {
    const from = expect.stringContaining(ipOf('plain', family));
    const seen = await modes.ask('plain', urlOf('tproxy', family), family);
    expect(seen).toMatchObject({ pod: 'tproxy', from, headers: throughServer });
    const before = await connections();
    expect(await modes.say('plain', ipOf('tproxy', family), 9000)).toMatchObject({ pod: 'tproxy', from, said: 'hello' });
    expect(await connections()).toBe(before + 1);
  });

  it('takes what a pod of the mesh sends, and what the application sends', async () => {
    const seen = await modes.ask('client', 'http://tproxy.modes/', family);
    expect(seen).toMatchObject({ pod: 'tproxy', headers: throughClient });
    expect([4, 6].map((each) => ipOf('client', each as 4 | 6))).toContain(seen.from.replace('::ffff:', ''));
    expect(await modes.ask('tproxy', 'http://web.modes/', family)).toMatchObject({ pod: 'web', headers: throughClient });
    expect(await modes.say('tproxy', await addressOf('web', family), 9000)).toMatchObject({ pod: 'web', said: 'hello' });
    // Its sidecar, which is root here, answers its DNS and asks for itself.
    expect(await modes.ask('tproxy', 'http://unknown.mesh.internal/', family)).toMatchObject({ pod: 'web' });
  });

  it('leads a port elsewhere, where a Sidecar says so', async () => {
    const from = expect.stringContaining('127.0.0.1');
    expect(await modes.ask('plain', urlOf('tproxy', family, 8081), family)).toMatchObject({ pod: 'tproxy', from });
  });

  it('lets the application reach itself by its Service', async () => {
    expect(await modes.ask('tproxy', 'http://tproxy.modes/', family)).toMatchObject({ pod: 'tproxy' });
  });
});

it('mode NONE has the proxy and no rules', async () => {
  expect(await modes.field('pod/none', '{.spec.initContainers[*].name}')).toBe('istio-proxy');
  await modes.propagated('sidecar/none');
  expect((await modes.ask('client', urlOf('none', 4))).from).toContain(ipOf('client', 4));
  const seen = await modes.ask('none', 'http://web.modes/');
  expect(seen.pod).toBe('web');
  expect(seen.headers).not.toHaveProperty('x-envoy-attempt-count');
  // The application may go by the sidecar, at the ports that it binds.
  const through = await modes.exec(
    'none',
    'curl',
    '-sSf',
    '--max-time',
    '5',
    '-H',
    'Host: named.modes',
    'http://127.0.0.1:7070/',
  );
  expect(JSON.parse(through)).toMatchObject({ pod: 'web', headers: throughClient });
});

describe('DNS capture', () => {
  it.each(families)('a host that no name server knows is reached over IPv%i', async (family) => {
    await expect(modes.exec('client', 'getent', 'hosts', 'unknown.mesh.internal')).rejects.toThrow();
    expect(await modes.ask('dns', 'http://unknown.mesh.internal/', family)).toMatchObject({ pod: 'web', headers: throughClient });
    const found = await modes.exec('dns', 'getent', family === 4 ? 'ahostsv4' : 'ahostsv6', 'unknown.mesh.internal');
    expect(await modes.say('dns', found.split(' ')[0]!, 9001)).toMatchObject({ pod: 'web', said: 'hello' });
  });

  it.each(families)('other names go on to the name servers (IPv%i)', async (family) => {
    expect(await modes.ask('dns', 'http://web.modes/', family)).toMatchObject({ pod: 'web' });
    expect(await modes.ask('dns', 'http://web/', family)).toMatchObject({ pod: 'web' });
    await expect(modes.exec('dns', 'getent', 'hosts', 'nobody.mesh.internal')).rejects.toThrow();
  });
});

it('the pod’s own istio-proxy is merged over the injected one, and runs', async () => {
  const read = (what: string) => modes.field('pod/own', `{.spec.initContainers[?(@.name=="istio-proxy")]${what}}`);
  expect(await read('.env[?(@.name=="OWN")].value')).toBe('own');
  expect(await read('.resources.requests.memory')).toBe('48Mi');
  expect(await modes.field('pod/own', '{.spec.containers[*].name}')).toBe('app');
});

describe('past the sidecar', () => {
  it('goes what is sent to excluded ports, and what comes in on them', async () => {
    const sent = await modes.ask('past', 'http://web.modes/');
    expect(sent.pod).toBe('web');
    expect(sent.headers).not.toHaveProperty('x-envoy-attempt-count');
    expect((await modes.ask('client', urlOf('past', 4))).from).toContain(ipOf('client', 4));
  });

  it('goes what is outside of the included ranges', async () => {
    expect(await modes.ask('own', 'http://web.modes/', 4)).toMatchObject({ pod: 'web', headers: throughClient });
    const sent = await modes.ask('own', 'http://web.modes/', 6);
    expect(sent.pod).toBe('web');
    expect(sent.headers).not.toHaveProperty('x-envoy-attempt-count');
  });
});

describe('one family', () => {
  it('a Service of IPv6 alone is reached', async () => {
    expect(await modes.ask('client', 'http://six.modes/', 6)).toMatchObject({ pod: 'six', headers: throughClient });
    expect(await modes.say('client', await addressOf('six', 6), 9000)).toMatchObject({ pod: 'six', said: 'hello' });
  });

  it.each(families)(
    'an application that listens on IPv4 alone is reached by its IPv6-first Service over IPv%i',
    async (family) => {
      expect(await modes.ask('client', 'http://four.modes/', family)).toMatchObject({ pod: 'four', headers: throughClient });
    },
  );

  it.each(families)('an application that listens on ::1 alone is reached over IPv%i, where a Sidecar says so', async (family) => {
    expect(await modes.ask('client', 'http://local.modes/', family)).toMatchObject({ pod: 'local', to: '::1' });
    expect(await modes.ask('client', urlOf('local', family), family)).toMatchObject({ pod: 'local' });
  });

  it('an application that listens on one family is reached at its address of that family', async () => {
    expect(await modes.ask('client', urlOf('six', 6), 6)).toMatchObject({ pod: 'six' });
    expect(await modes.ask('client', urlOf('four', 4), 4)).toMatchObject({ pod: 'four' });
  });
});

it('REGISTRY_ONLY lets nothing out over either family', async () => {
  const unknown = [outside.unknownIpv4, `[${outside.unknownIpv6}]`];
  for (const [index, host] of unknown.entries())
    expect(await modes.ask('client', `http://${host}:8080/`, families[index]!)).toMatchObject({ method: 'GET' });
  await modes.apply(
    networking('Sidecar', 'default', { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' }, egress: [{ hosts: ['*/*'] }] }),
  );
  await modes.propagated('sidecar/default');
  for (const [index, host] of unknown.entries())
    await expect(modes.ask('client', `http://${host}:8080/`, families[index]!)).rejects.toThrow(/502|Empty reply|reset/);
  for (const host of [outside.unknownIpv4, outside.unknownIpv6])
    await expect(modes.say('client', host, 9000)).rejects.toThrow(/ended the connection|reset/);
  expect(await modes.ask('client', 'http://six.modes/', 6)).toMatchObject({ pod: 'six' });
});

function networking(kind: string, name: string, spec: object): Manifest {
  return { apiVersion: 'networking.istio.io/v1', kind, metadata: { name }, spec };
}
