import {
  closeStore,
  openCompressedStore,
  openFileStore,
  openFitsStore,
  openPartsStore,
  openSparseStore,
  storeFacts,
  storeFlags,
} from "../../ffi/paging_stores.ts";
import { errno, SysError } from "../../ffi/errors.ts";
import { listMemory } from "../../ffi/mapping.ts";
import { didYouMean, NoSuchObjectError, RefusedError, UsageError } from "../errors.ts";
import { quote } from "../quote.ts";
import { StoreWorkers } from "./store_workers.ts";
import { type StoreDescription, storeName } from "./stores.ts";

/** A store that is open, for one region. */
export interface OpenStore {
  /** Its number; gone when a region was mapped from it, also if that failed. */
  readonly handle: number;
  /** The workers that serve it, or a store below it. */
  readonly workers: readonly StoreWorkers[];
}

/** Opens a store, and starts the workers that it needs. */
export async function openStore(store: StoreDescription): Promise<OpenStore> {
  if (store.kind === "worker") {
    const { module, options, workers = 1, parallel = 1, limitMs = 60_000, write = false } = store;
    requireCount(workers, "workers");
    requireCount(parallel, "requests at the same time");
    const started = await StoreWorkers.start({ module, options, workers, parallel, limitMs, write });
    return { handle: started.store, workers: [started] };
  }
  if (store.kind !== "compressed" || typeof store.below === "number") return openStoreSync(store);
  const below = await openStore(store.below);
  try {
    return { handle: compress(below.handle, store.tierBytes, store.level), workers: below.workers };
  } catch (error) {
    for (const worker of below.workers) worker[Symbol.dispose]();
    throw error;
  }
}

/** Opens a store that needs no workers. */
export function openStoreSync(store: StoreDescription): OpenStore {
  try {
    return { handle: handleOf(store), workers: [] };
  } catch (error) {
    throw openRefusal(error, store);
  }
}

function handleOf(store: StoreDescription): number {
  switch (store.kind) {
    case "file":
      return openFileStore(store.path, flagsOf(store), store.offset ?? 0, store.bytes ?? 0);
    case "parts":
      return openPartsStore(store.parts, flagsOf(store));
    case "sparse":
      return openSparseStore(store.directory, flagsOf(store), store.bytes ?? 0, store.granuleBytes ?? 0);
    case "fits":
      return openFitsStore(store.tiles);
    case "object":
      return openFileStore(objectPath(store.container, store.object), flagsOf(store), store.offset ?? 0, store.bytes ?? 0);
    case "compressed":
      if (typeof store.below === "number") return openCompressedStore(-1, store.below, store.tierBytes, store.level ?? 1);
      return compress(handleOf(store.below), store.tierBytes, store.level);
    case "worker":
      throw new UsageError(`Cannot map ${storeName(store)} at once: its worker has to start`, {
        remedy: "Write await Region.map(...) instead of Region.mapSync(...)",
      });
  }
}

/** The number of `below` is gone, also if this fails. */
function compress(below: number, tierBytes: number, level = 1): number {
  return openCompressedStore(below, storeFacts(below).bytes, tierBytes, level);
}

function flagsOf({ write, direct, create }: { write?: boolean; direct?: boolean; create?: boolean }): number {
  return (write ? storeFlags.write : 0) | (direct ? storeFlags.direct : 0) | (create ? storeFlags.create : 0);
}

/** Objects are one level below the container's directory, by the pages that they have. */
function objectPath(container: string, object: string): string {
  const directory = `/run/nodeos/memory/${container}`;
  const paths = container.includes("/")
    ? []
    : listMemory(directory).filter(({ kind }) => kind === "directory").flatMap(({ name }) =>
      listMemory(`${directory}/${name}`).filter(({ kind }) => kind !== "directory").map((entry) => `${directory}/${name}/${entry.name}`)
    );
  const names = paths.map((path) => path.split("/").at(-1)!);
  const found = paths[names.indexOf(object)];
  if (found !== undefined) return found;
  throw new NoSuchObjectError(
    `Cannot page object ${quote(object)} of container ${quote(container)}: there is none${didYouMean(object, names)}`,
    {
      remedy: names.length === 0 ? "The container has no objects, or there is no such container" : `The container has ${names.join(", ")}`,
    },
  );
}

function requireCount(count: number, what: string): void {
  if (Number.isSafeInteger(count) && count >= 1 && count <= 64) return;
  throw new UsageError(`Cannot use ${count} ${what}: write a whole number from 1 to 64`);
}

function openRefusal(error: unknown, store: StoreDescription): unknown {
  if (!(error instanceof SysError)) return error;
  const action = `page ${storeName(store)}`;
  switch (error.errno) {
    case errno.ENOENT:
      return new NoSuchObjectError(`Cannot ${action}: there is no such file`, { cause: error });
    case errno.ENODATA:
      return new UsageError(`Cannot ${action}: a file ends before the part that is wanted, or is empty`, { cause: error });
    case errno.EINVAL:
      return new UsageError(`Cannot ${action}: sizes, offsets or options are none that such a store has`, { cause: error });
    case errno.EACCES:
    case errno.EPERM:
      return new RefusedError(`Cannot ${action}: this user may not`, { cause: error });
    case errno.EOPNOTSUPP:
      return new RefusedError(`Cannot ${action}: this machine has no libzstd.so.1, or the file cannot be used that way`, { cause: error });
    default:
      return new RefusedError(`Cannot ${action}: ${error.code}`, { cause: error });
  }
}

/** Ends a store that no region has taken. */
export function closeOpenStore({ handle, workers }: OpenStore): void {
  closeStore(handle);
  for (const worker of workers) worker[Symbol.dispose]();
}
