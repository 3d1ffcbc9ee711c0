import { hasServerFailed, openServedStore, releaseServer, storeFlags } from "../../ffi/paging_stores.ts";
import { RefusedError, UsageError } from "../errors.ts";
import type { FromWorker, ToWorker } from "./store_worker.ts";
import { StoreWords } from "./store_words.ts";

/** How a store is run. */
export interface WorkersRequest {
  /** URL of the module that exports it. */
  readonly module: string;
  /** What the module's function is given; has to be cloneable. */
  readonly options: unknown;
  /** How many workers, each with a store of its own. */
  readonly workers: number;
  /** How many requests each worker carries out at the same time. */
  readonly parallel: number;
  /** Who waits longer for an answer gets ETIMEDOUT. */
  readonly limitMs: number;
  /** Writes of the region go to the store. */
  readonly write: boolean;
}

/** A store that takes longer to close is ended all the same. */
const closeMsMax = 5_000;

/** Workers that serve a store together. They end when they are disposed; `await using` waits until they have closed it. */
export class StoreWorkers implements Disposable, AsyncDisposable {
  /** Number of the store that they serve, for one region. */
  readonly store: number;
  /** What the store said of what it could not do. */
  readonly words: StoreWords;
  readonly #server: number;
  readonly #workers: readonly Worker[];
  readonly #closed: Promise<unknown>;

  private constructor(workers: readonly Worker[], words: StoreWords, served: { store: number; server: number }) {
    this.#workers = workers;
    this.words = words;
    this.store = served.store;
    this.#server = served.server;
    this.#closed = Promise.all(workers.map((worker) => nextMessage(worker, "closed").catch(() => {})));
  }

  /**
   * Starts workers, and returns when all of them have opened the store.
   *
   * @throws {RefusedError} If the module or the store cannot be opened, {UsageError} if it cannot be written and should be.
   */
  static async start({ module, options, workers: count, parallel, limitMs, write }: WorkersRequest): Promise<StoreWorkers> {
    const words = new StoreWords();
    const workers: Worker[] = [];
    try {
      for (let index = 0; index < count; index++) {
        workers.push(new Worker(new URL("./store_worker.ts", import.meta.url), { type: "module" }));
      }
      const [facts, ...others] = await Promise.all(workers.map((worker) => {
        const opened = nextMessage(worker, "opened");
        tell(worker, { kind: "open", module, options, words: words.memory });
        return opened;
      }));
      const other = others.find(({ bytes }) => bytes !== facts.bytes);
      if (other !== undefined) {
        throw new RefusedError(`Cannot open ${module}: one worker says it holds ${facts.bytes} bytes, another one ${other.bytes}`);
      }
      if (write && !facts.isWritable) {
        throw new UsageError(`Cannot write to the store of ${module}: it has no method write`, { remedy: "Map it without write: true" });
      }
      const served = openServedStore(facts.bytes, { blockBytes: facts.blockBytes, flags: write ? storeFlags.write : 0, limitMs });
      const started = new StoreWorkers(workers, words, served);
      for (const worker of workers) tell(worker, { kind: "serve", server: served.server, parallel });
      return started;
    } catch (error) {
      for (const worker of workers) worker.terminate();
      throw error;
    }
  }

  /** Ends the workers at once; the store's `close` may not have ended. */
  [Symbol.dispose](): void {
    releaseServer(this.#server);
    for (const worker of this.#workers) worker.terminate();
  }

  /** Ends the workers when each has closed its store. */
  async [Symbol.asyncDispose](): Promise<void> {
    const hasFailed = hasServerFailed(this.#server);
    releaseServer(this.#server);
    if (!hasFailed) await this.#close();
    for (const worker of this.#workers) worker.terminate();
  }

  async #close(): Promise<void> {
    // One that waits for something else does not see that its server is gone.
    for (const worker of this.#workers) tell(worker, { kind: "close" });
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, closeMsMax);
    await Promise.race([this.#closed, promise]);
    clearTimeout(timer);
  }
}

function tell(worker: Worker, message: ToWorker): void {
  worker.postMessage(message);
}

type Message<K extends FromWorker["kind"]> = Extract<FromWorker, { kind: K }>;

/** The next message of a kind. */
function nextMessage<K extends FromWorker["kind"]>(worker: Worker, kind: K): Promise<Message<K>> {
  const { promise, resolve, reject } = Promise.withResolvers<Message<K>>();
  worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
    if (data.kind === kind) resolve(data as Message<K>);
    else if (data.kind === "failed") reject(new RefusedError(`Cannot open the store: ${data.message}`));
  });
  worker.addEventListener("error", (event) => {
    // Nobody else hears of it: its store has failed already.
    event.preventDefault();
    reject(new RefusedError(`Cannot run the store: ${event.message}`));
  });
  return promise;
}
