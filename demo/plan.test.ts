import { describe, expect, it } from 'vitest';
import { meshKinds } from '../src/api/index.ts';
import { loadMesh } from '../src/cli/commands/load-mesh.ts';
import { checkObject } from '../src/controllers/check-object.ts';
import { loadPaths } from '../src/sources/file/load-paths.ts';
import { parseObjects } from '../src/testing/load-mesh.ts';
import { projectRoot } from './options.ts';
import { type Plan, planDemo, readPlan } from './plan.ts';

const samples = `${projectRoot}/samples`;
const summarise = ({ services, routes }: Plan) => ({
  services: services.map(({ name, protocol, address }) => `${name} ${protocol} ${address}`),
  routes: routes.map(({ host, protocol, address }) => `${host} ${protocol} ${address}`),
});

describe('samples/', () => {
  it('is without a finding', async () => {
    const { diagnostics, ignoredKinds, objects } = await loadPaths([samples], { kinds: meshKinds, validate: checkObject });
    expect({ diagnostics, ignoredKinds }).toEqual({ diagnostics: [], ignoredKinds: [] });
    expect(objects.length).toBeGreaterThan(0);
  });

  it('asks for two services over HTTP, one over TCP, and a call to each host', async () => {
    expect(summarise(await readPlan(samples))).toEqual({
      services: ['blue http 127.0.0.1:24101', 'green http 127.0.0.1:24102', 'cache tcp 127.0.0.1:24103'],
      routes: [
        'api.demo.example http 127.0.0.1:24080',
        'catalog.demo.example http 127.0.0.1:24080',
        'cache.demo.example tcp 127.0.0.1:24090',
      ],
    });
  });
});

const entry = (name: string, protocol: string, number: number, endpoints: string) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: demo}
spec:
  hosts: [${name}.example]
  resolution: STATIC
  ports: [{number: ${number}, name: main, protocol: ${protocol}, targetPort: 9000}]
  endpoints: [${endpoints}]
`;
const sidecar = (...listeners: string[]) => `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: demo}
spec:
  egress: [${listeners.map((listener) => `{hosts: ['./*'], ${listener}}`).join(', ')}]
`;
const plan = async (...documents: string[]) => summarise(planDemo(await loadMesh(parseObjects(documents.join('---')))));

describe('planDemo', () => {
  const port = (number: number, protocol: string) => `port: {number: ${number}, name: p, protocol: ${protocol}}`;

  it('starts services on loopback only, each address once, by the first name given to it', async () => {
    const endpoints =
      '{address: 127.0.0.2, labels: {app: a}}, {address: 127.0.0.2, labels: {version: b}}, {address: 10.0.0.1}, {address: "::1"}';
    const listener = `${port(80, 'HTTP')}, captureMode: NONE`;
    expect(await plan(entry('web', 'HTTP', 80, endpoints), sidecar(listener))).toEqual({
      services: ['a http 127.0.0.2:9000', '[::1]:9000 http [::1]:9000'],
      routes: ['web.example http 127.0.0.1:80'],
    });
  });

  it('calls where the listener is bound, and one host of those that share a TCP port', async () => {
    const endpoints = '{address: 127.0.0.1}';
    const entries = [entry('b', 'TCP', 70, endpoints), entry('a', 'TCP', 70, endpoints)];
    const { routes } = await plan(...entries, sidecar(`${port(70, 'TCP')}, bind: 127.0.0.9, captureMode: NONE`));
    expect(routes).toEqual(['a.example tcp 127.0.0.9:70']);
  });

  it.each([
    ['intercepts', `${port(80, 'HTTP')}`],
    ['has no port of its own', 'captureMode: NONE'],
    ['is a unix socket', `port: {number: 0, name: p, protocol: HTTP}, bind: 'unix:///tmp/web.sock', captureMode: NONE`],
    ['speaks TLS', `${port(80, 'TLS')}, captureMode: NONE`],
  ])('leaves out a listener that %s', async (_, listener) => {
    expect(await plan(entry('web', 'HTTP', 80, '{address: 127.0.0.1}'), sidecar(listener))).toEqual({ services: [], routes: [] });
  });
});
