import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readRender } from '../chart/renders.ts';

const root = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

/** The instructions of a Dockerfile, each on a line, stage after stage. */
function stagesOf(path: string): string[][] {
  const lines = read(path)
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .map((line) => line.replaceAll(/\s+/g, ' ').trim());
  return lines.reduce<string[][]>((stages, line) => {
    if (line.startsWith('FROM ')) stages.push([]);
    if (line !== '') stages.at(-1)!.push(line);
    return stages;
  }, []);
}

const operator = stagesOf('images/operator/Dockerfile');
const init = stagesOf('images/init/Dockerfile');
const settingOf = (stage: readonly string[], word: string) =>
  stage.find((line) => line.startsWith(`${word} `))?.slice(word.length + 1);

it('bases have a tag, and the last ones are the same Debian', () => {
  const bases = [...operator, ...init].map((stage) => settingOf(stage, 'FROM')!.replace(/ AS .*/, ''));
  for (const base of bases) expect(base).toMatch(/^[a-z/]+:(?!latest)[\w.-]+$/);
  expect(settingOf(operator.at(-1)!, 'FROM')).toBe(settingOf(init.at(-1)!, 'FROM'));
  const { engines, optionalDependencies } = JSON.parse(read('package.json')) as Record<string, Record<string, string>>;
  const wanted = optionalDependencies?.node ?? engines!.node!;
  expect(/^node:(\d+)-/.exec(bases[0]!)![1]).toBe(/\d+/.exec(wanted)![0]);
});

it('the operator’s image runs as the chart runs it', () => {
  interface Deployment {
    spec: {
      template: { spec: { securityContext: Record<string, number>; containers: { args: string[]; command?: string[] }[] } };
    };
  }
  const { securityContext, containers } = readRender<Deployment>('defaults.out.yaml', 'Deployment')!.spec.template.spec;
  const stage = operator.at(-1)!;
  expect(settingOf(stage, 'USER')).toBe(`${securityContext.runAsUser}:${securityContext.runAsGroup}`);
  // The chart gives arguments, and leaves the entry point to the image.
  expect(containers[0]!.command).toBeUndefined();
  expect(JSON.parse(settingOf(stage, 'ENTRYPOINT')!)).toEqual([
    'node',
    expect.stringMatching(/^--max-semi-space-size=/),
    '/app/bin/weft',
  ]);
  expect([containers[0]!.args[0]]).toEqual(JSON.parse(settingOf(stage, 'CMD')!));
  // bin/weft starts itself with the same flag.
  expect(read('bin/weft').split('\n')[0]).toContain(JSON.parse(settingOf(stage, 'ENTRYPOINT')!)[1]);
});

it('what the operator’s image copies comes from the context or is made in it', () => {
  const copied = operator
    .at(-1)!
    .filter((line) => line.startsWith('COPY --from=build '))
    .flatMap((line) => line.split(' ').slice(2, -1));
  const context = read('.dockerignore')
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1));
  for (const path of context) expect(existsSync(join(root, path)), path).toBe(true);
  const made = ['node_modules', 'dist'];
  for (const path of copied.filter((each) => each.startsWith('/app/')).map((each) => each.slice('/app/'.length)))
    expect([...context, ...made], path).toContain(path);
  expect(copied).toContain('/usr/local/bin/node');
});

it('the init image has the programs that the init container runs, and is root', () => {
  const [run] = init.at(-1)!.filter((line) => line.startsWith('RUN '));
  const packages = /install -y --no-install-recommends (.*?) &&/.exec(run!)![1]!.split(' ');
  expect(packages).toEqual(['iptables', 'iproute2']);
  expect(settingOf(init.at(-1)!, 'USER')).toBe('0:0');
});

it('the tests’ images are made from these files', () => {
  expect(read('e2e/cluster/operator-image')).toContain('image" like images/operator/Dockerfile weft/operator:dev');
  expect(read('e2e/cluster/image')).toContain('/images/init/Dockerfile');
  expect(read('e2e/cluster/manifests/values.yaml')).toContain('initImage: { repository: weft/init, tag: dev }');
});
