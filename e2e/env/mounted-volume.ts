import { chmod, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder that changes as a kubelet changes a mounted ConfigMap, token or downward API volume: all files at once, by a symlink. */
export interface MountedVolume {
  readonly folder: string;
  /** Replaces the content. The names stay those of the first time. */
  write(files: Readonly<Record<string, string>>): Promise<void>;
  close(): Promise<void>;
}

/** Makes a volume with its first content, readable by every user. */
export const mountVolume = async (files: Readonly<Record<string, string>>): Promise<MountedVolume> => {
  const folder = await mkdtemp(join(tmpdir(), 'weft-volume-'));
  await chmod(folder, 0o755);
  let generation = 0;
  const write: MountedVolume['write'] = async (content) => {
    const name = `..${++generation}`;
    await mkdir(join(folder, name));
    for (const [file, text] of Object.entries(content)) await writeFile(join(folder, name, file), text, { mode: 0o644 });
    await symlink(name, join(folder, '..data_tmp'));
    await rename(join(folder, '..data_tmp'), join(folder, '..data'));
    if (generation > 1) await rm(join(folder, `..${generation - 1}`), { recursive: true });
  };
  await write(files);
  for (const file of Object.keys(files)) await symlink(join('..data', file), join(folder, file));
  return { folder, write, close: () => rm(folder, { recursive: true }) };
};
