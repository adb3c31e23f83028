import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';

/** What tells one content of a file from another without reading it. */
export interface FileStamp {
  /** Device and inode: another file under the same name has another. */
  readonly identity: string;
  readonly sizeBytes: number;
  readonly mtimeNs: bigint;
}

export type StatOutcome =
  | { readonly type: 'file'; readonly stamp: FileStamp }
  | { readonly type: 'gone' }
  /** There is something, but it cannot be read; `message` says why. */
  | { readonly type: 'problem'; readonly message: string };

export type ReadOutcome =
  | { readonly type: 'text'; readonly text: string; readonly stamp: FileStamp }
  /** The file changed while it was read. */
  | { readonly type: 'unstable' }
  | Exclude<StatOutcome, { type: 'file' }>;

export function sameStamp(a: FileStamp | undefined, b: FileStamp | undefined): boolean {
  return a?.identity === b?.identity && a?.sizeBytes === b?.sizeBytes && a?.mtimeNs === b?.mtimeNs;
}

/** Looks at a file, through links. */
export async function statFile(path: string): Promise<StatOutcome> {
  try {
    const stats = await stat(path, { bigint: true });
    if (!stats.isFile()) return { type: 'problem', message: 'is not a regular file, and is not read' };
    return { type: 'file', stamp: stampOf(stats) };
  } catch (error) {
    return failure(error);
  }
}

/** Reads a file of at most `maxBytes` as UTF-8. Never rejects. */
export async function readText(path: string, maxBytes: number): Promise<ReadOutcome> {
  const found = await statFile(path);
  if (found.type !== 'file') return found;
  let handle: FileHandle | undefined;
  try {
    // Not blocking: should a pipe have taken the file's place since, opening it must not wait for a writer.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const before = stampOf(await handle.stat({ bigint: true }));
    if (before.sizeBytes > maxBytes) {
      return {
        type: 'problem',
        message: `is too large: ${before.sizeBytes} bytes, the limit is ${maxBytes}; split it into several files`,
      };
    }
    const bytes = await handle.readFile();
    const after = stampOf(await handle.stat({ bigint: true }));
    if (!sameStamp(before, after) || bytes.byteLength !== after.sizeBytes) return { type: 'unstable' };
    return { type: 'text', text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes), stamp: after };
  } catch (error) {
    return failure(error);
  } finally {
    await handle?.close();
  }
}

function stampOf(stats: { dev: bigint; ino: bigint; size: bigint; mtimeNs: bigint }): FileStamp {
  return { identity: `${stats.dev}:${stats.ino}`, sizeBytes: Number(stats.size), mtimeNs: stats.mtimeNs };
}

const reasons: Record<string, string> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ELOOP: 'too many symbolic links',
  EMFILE: 'too many open files',
  ENFILE: 'too many open files',
  EIO: 'input/output error',
  ESTALE: 'stale file handle',
  ERR_ENCODING_INVALID_ENCODED_DATA: 'it is not UTF-8 text',
};

function failure(error: unknown): Exclude<StatOutcome, { type: 'file' }> {
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') return { type: 'gone' };
  return { type: 'problem', message: `cannot be read: ${reasons[code] ?? message}` };
}
