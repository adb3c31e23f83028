import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { nowMs } from '../clock.ts';
import type { Answer, Call, Operations } from './serve.ts';

/** A process of its own that answers calls, so that one part's CPU is not another's. Ends with its `await using`. */
export class Child<T extends Operations> implements AsyncDisposable {
  /** When the process was asked for. */
  readonly startedAtMs = nowMs();
  readonly #process: ChildProcess;
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #exited: Promise<void>;
  #lastId = 0;

  /** @param flags Node's own */
  constructor(program: URL, flags: readonly string[] = []) {
    const file = fileURLToPath(program);
    this.#process = fork(file, {
      execArgv: [...flags],
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#process.on('message', (answer: Answer) => this.#settle(answer));
    this.#exited = new Promise((resolve) => {
      this.#process.on('exit', (code, signal) => {
        const error = new Error(`${file} ended with ${signal ?? code}`);
        for (const { reject } of this.#pending.values()) reject(error);
        this.#pending.clear();
        resolve();
      });
    });
  }

  /** Rejects with the child's error, or when the child ends. */
  call<K extends keyof T & string>(operation: K, argument: Parameters<T[K]>[0]): Promise<Awaited<ReturnType<T[K]>>> {
    const id = ++this.#lastId;
    const pending = Promise.withResolvers<unknown>();
    this.#pending.set(id, pending);
    this.#process.send({ id, operation, argument } satisfies Call);
    return pending.promise as Promise<Awaited<ReturnType<T[K]>>>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Ends the child through its `disconnect`: by then a profile that was asked for is written.
    if (this.#process.connected) this.#process.disconnect();
    await this.#exited;
  }

  #settle(answer: Answer): void {
    const pending = this.#pending.get(answer.id);
    this.#pending.delete(answer.id);
    if ('error' in answer) pending?.reject(new Error(answer.error));
    else pending?.resolve(answer.result);
  }
}
