import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../runtime/testing/eventually.ts';
import { type LoggedLine, logInto } from '../../runtime/testing/log-lines.ts';
import { FileFollower } from './file-follower.ts';

describe('FileFollower', () => {
  let folder: string;
  let stop: AbortController;
  let running: Promise<void>;
  const heard: string[] = [];
  const lines: LoggedLine[] = [];

  const follow = (file: string, text: string) => {
    const follower = new FileFollower({ file, text, onChange: (next) => heard.push(next), logger: logInto(lines) });
    running = follower.start(stop.signal);
  };
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'file-follower-'));
    stop = new AbortController();
    heard.length = 0;
    lines.length = 0;
  });
  afterEach(async () => {
    stop.abort();
    await running;
    await rm(folder, { recursive: true });
  });

  it('tells what differs from the text that was read before it started', async () => {
    const file = join(folder, 'mesh.yaml');
    await writeFile(file, 'second');
    follow(file, 'first');
    await eventually(() => expect(heard).toEqual(['second']));
  });

  it('hears of a file that is written anew, and of one that another takes the place of', async () => {
    const file = join(folder, 'mesh.yaml');
    await writeFile(file, 'a');
    follow(file, 'a');
    await writeFile(file, 'b');
    await eventually(() => expect(heard).toEqual(['b']));
    await writeFile(join(folder, 'draft'), 'c');
    await rename(join(folder, 'draft'), file);
    await eventually(() => expect(heard).toEqual(['b', 'c']));
  });

  it('hears of a mounted ConfigMap, whose files stay while the link beside them changes', async () => {
    const mount = async (version: string) => {
      await mkdir(join(folder, version));
      await writeFile(join(folder, version, 'mesh.yaml'), version);
      await symlink(version, join(folder, '..next'));
      await rename(join(folder, '..next'), join(folder, '..data'));
    };
    await mount('v1');
    await symlink('..data/mesh.yaml', join(folder, 'mesh.yaml'));
    follow(join(folder, 'mesh.yaml'), 'v1');
    await mount('v2');
    await eventually(() => expect(heard).toEqual(['v2']));
  });

  it('says once that the file is gone, and goes on when it is back', async () => {
    const file = join(folder, 'mesh.yaml');
    await writeFile(file, 'a');
    follow(file, 'a');
    await unlink(file);
    await eventually(() => expect(lines.map(({ level }) => level)).toEqual(['error']));
    await writeFile(file, 'b');
    await eventually(() => expect(heard).toEqual(['b']));
    expect(lines).toHaveLength(1);
  });
});
