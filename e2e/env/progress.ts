/** One step of a longer work, told while it goes on. */
export interface Progress {
  /** What is being done: 'downloading Envoy 1.40.0'. */
  text: string;
  /** Bytes that have arrived, when it is a transfer. */
  receivedBytes?: number;
  /** Bytes there are in all, when that is known. */
  totalBytes?: number;
}

/** Where progress is printed: a terminal has `isTTY`. */
export interface ProgressStream {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
}

/** Takes progress and shows it; `done` ends the line that is being rewritten. */
export interface ProgressPrinter {
  (progress: Progress): void;
  done(): void;
}

const mebibytes = (bytes: number): string => (bytes / 1_048_576).toFixed(1);

/** `downloading Envoy 1.40.0: 12.5 of 35.2 MiB (36 %)`. */
export const formatProgress = ({ text, receivedBytes, totalBytes }: Progress): string => {
  if (receivedBytes === undefined) return text;
  if (totalBytes === undefined || totalBytes <= 0) return `${text}: ${mebibytes(receivedBytes)} MiB`;
  const arrived = Math.min(receivedBytes, totalBytes);
  const percent = Math.floor((100 * arrived) / totalBytes);
  return `${text}: ${mebibytes(arrived)} of ${mebibytes(totalBytes)} MiB (${percent} %)`;
};

/** Shows progress on a stream: one line rewritten in place on a terminal, elsewhere a line for each step and one every `intervalMs`. */
export const progressPrinter = (
  stream: ProgressStream,
  { intervalMs = 3_000, nowMs = () => performance.now() }: { intervalMs?: number; nowMs?: () => number } = {},
): ProgressPrinter => {
  let lastText = '';
  let lastAtMs = Number.NEGATIVE_INFINITY;
  let open = false;
  const print = (progress: Progress): void => {
    const line = formatProgress(progress);
    if (stream.isTTY) {
      stream.write(`\r\x1b[K${line.slice(0, (stream.columns || 80) - 1)}`);
      open = true;
      return;
    }
    if (progress.text === lastText && nowMs() - lastAtMs < intervalMs) return;
    lastText = progress.text;
    lastAtMs = nowMs();
    stream.write(`${line}\n`);
  };
  return Object.assign(print, {
    done: (): void => {
      if (open) stream.write('\n');
      open = false;
    },
  });
};
