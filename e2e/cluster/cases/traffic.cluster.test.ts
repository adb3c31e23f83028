import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { eventually } from '../../env/eventually.ts';
import type { ManagedProcess } from '../../env/process.ts';
import { appPod, appService, type Manifest, MeshNamespace } from '../mesh-pods.ts';
import { outside, startOutside } from '../outside.ts';

const kubeConfigFile = inject('kubeConfigFile');
const [left, right] = [new MeshNamespace(kubeConfigFile, 'left'), new MeshNamespace(kubeConfigFile, 'right')];
const networking = (kind: string, name: string, spec: object): Manifest => ({
  ...{ apiVersion: 'networking.istio.io/v1', kind, metadata: { name } },
  spec,
});
const vip = { ipv4: '198.51.100.1', ipv6: '2001:db8:1::1' };
const web6 = async () => (await right.field('pod/web', '{.status.podIPs[1].ip}')).trim();

let server: ManagedProcess;
beforeAll(async () => {
  await Promise.all([left.create(), right.create()]);
  await left.apply(appPod('client'));
  await right.apply(appPod('web'), appService('web'));
  server = await startOutside(kubeConfigFile, {
    'external.example.com': [outside.ipv4, outside.ipv6],
    'vm.example.internal': [vip.ipv4, vip.ipv6],
  });
  await Promise.all([left.ready('client'), right.ready('web')]);
  await eventually('the name server to know the hosts', () => left.exec('client', 'getent', 'hosts', 'external.example.com'), {
    deadlineMs: 60_000,
  });
});
afterAll(async () => {
  await Promise.all([left.delete(), right.delete()]);
  await server?.stop();
});

describe.each([4, 6] as const)('over IPv%i', (family) => {
  it('HTTP reaches a Service of another namespace, through both sidecars', async () => {
    const seen = await left.ask('client', 'http://web.right/hello', family);
    expect(seen.pod).toBe('web');
    // The sidecar of the server hands it over from an address that is excepted from capture.
    expect(seen.from).toMatch(/127\.0\.0\.6$|^::6$/);
    expect(seen.headers).toMatchObject({ 'x-envoy-attempt-count': '1' });
  });

  it('TCP does', async () => {
    const address = await right.field('service/web', `{.spec.clusterIPs[${family === 4 ? 0 : 1}]}`);
    expect(await left.say('client', address, 9000)).toMatchObject({ pod: 'web', said: 'hello' });
  });
});

it('a pod is reached at its own IPv6 address through its sidecar', async () => {
  const address = await web6();
  expect(address).toContain(':');
  const seen = await left.ask('client', `http://[${address}]:8080/`, 6);
  expect(seen.pod).toBe('web');
  expect(seen.from).toBe('::6');
});

describe('ServiceEntries', () => {
  const ports = [
    { number: 80, targetPort: 8080, name: 'http', protocol: 'HTTP' },
    { number: 9000, name: 'tcp', protocol: 'TCP' },
  ];
  beforeAll(async () => {
    const external = {
      ...{ hosts: ['external.example.com'], location: 'MESH_EXTERNAL', resolution: 'STATIC', ports },
      addresses: [outside.ipv4, outside.ipv6],
      endpoints: [{ address: outside.ipv4 }, { address: outside.ipv6 }],
    };
    const internal = {
      ...{ hosts: ['vm.example.internal'], location: 'MESH_INTERNAL', resolution: 'STATIC', ports },
      addresses: [vip.ipv4, vip.ipv6],
      workloadSelector: { labels: { app: 'web' } },
    };
    await left.apply(networking('ServiceEntry', 'external', external));
    await right.apply(networking('ServiceEntry', 'vm', internal));
    await Promise.all([left.propagated('serviceentry/external'), right.propagated('serviceentry/vm')]);
  });

  it('kubectl describe tells that both sidecars have it', async () => {
    const described = await left.kubectl('describe', 'serviceentry', 'external');
    expect(described).toMatch(/Summary:\s+2\/2 acked/);
    expect(described).toMatch(/Propagated\s.*acknowledged by 2 proxies/);
  });

  it.each([4, 6] as const)('a host outside of the mesh is reached over IPv%i, by HTTP and TCP', async (family) => {
    const seen = await left.ask('client', 'http://external.example.com/', family);
    expect(seen.to).toMatch(/203\.0\.113\.10|2001:db8::10/);
    expect(seen.headers).toMatchObject({ host: 'external.example.com', 'x-envoy-attempt-count': '1' });
    const said = await left.say('client', family === 4 ? outside.ipv4 : outside.ipv6, 9000);
    expect(said.to).toMatch(/203\.0\.113\.10|2001:db8::10/);
  });

  it.each([4, 6] as const)('a host inside of the mesh is reached over IPv%i, by HTTP and TCP', async (family) => {
    expect(await left.ask('client', 'http://vm.example.internal/', family)).toMatchObject({ pod: 'web' });
    expect(await left.say('client', family === 4 ? vip.ipv4 : vip.ipv6, 9000)).toMatchObject({ pod: 'web' });
  });

  it('REGISTRY_ONLY lets nothing else out', async () => {
    expect(await left.ask('client', `http://${outside.unknownIpv4}:8080/`)).toMatchObject({
      to: expect.stringContaining('203.0.113.11'),
    });
    await left.apply(
      networking('Sidecar', 'default', { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' }, egress: [{ hosts: ['*/*'] }] }),
    );
    await left.propagated('sidecar/default');
    await expect(left.ask('client', `http://${outside.unknownIpv4}:8080/`)).rejects.toThrow(/502|Empty reply|reset/);
    await expect(left.say('client', outside.unknownIpv4, 9000)).rejects.toThrow(/ended the connection|reset/);
    expect(await left.ask('client', 'http://external.example.com/')).toMatchObject({ method: 'GET' });
    expect(await left.ask('client', 'http://web.right/')).toMatchObject({ pod: 'web' });
  });
});

describe('an EnvoyFilter', () => {
  const script = (inline: string) => ({
    name: 'envoy.filters.http.lua',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua',
      default_source_code: { inline_string: inline },
    },
  });
  const filter = (inline: string): Manifest => ({
    ...{ apiVersion: 'networking.istio.io/v1alpha3', kind: 'EnvoyFilter', metadata: { name: 'lua' } },
    spec: {
      configPatches: [
        {
          applyTo: 'HTTP_FILTER',
          match: {
            context: 'SIDECAR_OUTBOUND',
            listener: { filterChain: { filter: { name: 'envoy.filters.network.http_connection_manager' } } },
          },
          patch: { operation: 'INSERT_BEFORE', value: script(inline) },
        },
      ],
    },
  });
  const header = async () => (await left.ask('client', 'http://web.right/')).headers?.['x-lua'];

  it('takes effect, and one that Envoy refuses is quarantined while the one before stays in force', async () => {
    const good = 'function envoy_on_request(handle) handle:headers():add("x-lua", "good") end';
    await left.apply(filter(good));
    await left.propagated('envoyfilter/lua');
    expect(await header()).toBe('good');

    await left.apply(filter('function ('));
    await left.kubectl(
      'wait',
      '--timeout=30s',
      '--for=jsonpath={.status.conditions[?(@.type=="Programmed")].reason}=Quarantined',
      'envoyfilter/lua',
    );
    expect(await left.kubectl('describe', 'envoyfilter', 'lua')).toMatch(/left\/client refused .*script load error/);
    expect(await header()).toBe('good');
    await left.apply(appPod('late'));
    await left.ready('late');

    await left.apply(filter(good.replace('"good"', '"mended"')));
    await left.propagated('envoyfilter/lua');
    expect(await header()).toBe('mended');
  });
});

it('what is wrong with an object is said when it is applied', async () => {
  const broken = networking('ServiceEntry', 'broken', {
    hosts: ['a.example.com'],
    ports: [{ number: 80, name: 'http', protocol: 'HTPP' }],
    resolution: 'NONE',
  });
  await expect(left.apply(broken)).rejects.toThrow(
    /validation\.weft\.dev.*spec\.ports\[0\]\.protocol: "HTPP" is not a protocol/s,
  );
});
