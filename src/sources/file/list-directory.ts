import { readdir, realpath, stat } from 'node:fs/promises';
import { join, normalize } from 'node:path';
import { isConfigFile, isSkipped } from './file-names.ts';

export type DirectoryListing =
  | {
      readonly type: 'listed';
      /** Without links: tells two ways to one directory from two directories. */
      readonly realPath: string;
      /** Paths of the files to read, sorted. */
      readonly files: readonly string[];
      /** Paths of the directories below, sorted. */
      readonly directories: readonly string[];
    }
  | { readonly type: 'gone' }
  | { readonly type: 'problem'; readonly message: string };

/** What there is to read in a directory, through links. Never rejects. */
export async function listDirectory(path: string): Promise<DirectoryListing> {
  try {
    const [entries, resolved] = await Promise.all([readdir(path, { withFileTypes: true }), realpath(path)]);
    const files: string[] = [];
    const directories: string[] = [];
    for (const entry of entries) {
      if (isSkipped(entry.name)) continue;
      const entryPath = join(path, entry.name);
      const isDirectory = entry.isSymbolicLink() ? await isDirectoryAt(entryPath) : entry.isDirectory();
      if (isDirectory) directories.push(entryPath);
      else if (isConfigFile(entry.name)) files.push(entryPath);
    }
    return { type: 'listed', realPath: resolved, files: files.sort(), directories: directories.sort() };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return { type: 'gone' };
    return { type: 'problem', message: code === 'EACCES' ? 'cannot be read: permission denied' : `cannot be read: ${message}` };
  }
}

/** True if there is a directory, through links. */
export async function isDirectoryAt(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

/** A path as its user wrote it, so that messages show it so, without a slash at the end or detours. */
export function tidyPath(path: string): string {
  const tidy = normalize(path);
  return tidy.length > 1 && tidy.endsWith('/') ? tidy.slice(0, -1) : tidy;
}
