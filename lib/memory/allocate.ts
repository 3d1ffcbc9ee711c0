import { errno, SysError } from "../../ffi/errors.ts";
import { KernelRoot } from "../../ffi/kernel_root.ts";
import { variable } from "../../ffi/library.ts";
import { listMemory, mapFile, mapHugePages, type MappedMemory } from "../../ffi/mapping.ts";
import { runningMemory } from "../../ffi/memory.ts";
import { readDaxDevices } from "../kernel/dax.ts";
import { didYouMean, NoSuchObjectError, RefusedError, UsageError } from "../errors.ts";
import { quote } from "../quote.ts";
import { formatSize } from "./unit.ts";

/** Which part of an object is mapped. */
export interface MapOptions {
  /** Directory of the container's objects; that of `NODEOS_MEMORY` when absent, which every program of a container has. */
  readonly directory?: string;
  /** Where the part begins: a multiple of the object's pages; 0 when absent. */
  readonly offset?: number;
  /** How many bytes; up to the object's end when absent. */
  readonly bytes?: number;
}

/**
 * Maps an object of the container that this program runs in, shared with all programs that map it. Its memory is there
 * before, and its contents stay when the last program has gone.
 *
 * Needs `--allow-ffi` without a path, and `--allow-env=NODEOS_MEMORY` unless `directory` is given. When the object is made
 * smaller, or taken away, to touch what is gone ends the program (SIGBUS).
 *
 * @param object Its name in the container's specification.
 * @returns The memory; disposing it detaches the buffer.
 * @throws {Deno.errors.NotCapable} If a permission is missing, {NoSuchObjectError} if there is no such object,
 * {RefusedError} if this program runs in no container with objects, or may not map it, {UsageError} if the part is none.
 */
export function mapObject(object: string, { directory = variable("NODEOS_MEMORY"), offset = 0, bytes }: MapOptions = {}): MappedMemory {
  if (directory === undefined) {
    throw new RefusedError(`Cannot map object ${quote(object)}: NODEOS_MEMORY does not say where objects are`, {
      remedy: "Run the program in a container with objects, and with --allow-env=NODEOS_MEMORY, or name the directory",
    });
  }
  const path = findObject(directory, object);
  const size = sizeOf(path);
  const wanted = bytes ?? size - offset;
  if (!isCount(offset) || !isCount(wanted) || wanted === 0 || offset + wanted > size) {
    throw new UsageError(`Cannot map ${wanted} bytes of object ${quote(object)} from ${offset} on; it has ${size}`);
  }
  try {
    return mapFile(path, offset, wanted);
  } catch (error) {
    throw refusalOf(error, `map object ${quote(object)}`);
  }
}

/** A device does not tell its size, but the kernel does. */
function sizeOf(path: string): number {
  const device = runningMemory.target(path)?.replace("/dev/", "");
  return readDaxDevices(new KernelRoot()).find(({ name }) => name === device)?.bytes ?? runningMemory.file(path)?.bytes ?? 0;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** Objects are one level below the container's directory, by the pages that they have. */
function findObject(directory: string, object: string): string {
  const objects = listMemory(directory).filter(({ kind }) => kind === "directory").flatMap(({ name }) =>
    listMemory(`${directory}/${name}`).filter(({ kind }) => kind !== "directory").map((entry) => ({
      ...entry,
      path: `${directory}/${name}/${entry.name}`,
    }))
  );
  const found = objects.find(({ name }) => name === object);
  if (found !== undefined) return found.path;
  const names = objects.map(({ name }) => name);
  const remedy = names.length === 0 ? "The container has no objects" : `The container has ${names.join(", ")}`;
  throw new NoSuchObjectError(`Cannot map object ${quote(object)}: there is none of this name${didYouMean(object, names)}`, { remedy });
}

function refusalOf(error: unknown, action: string): unknown {
  if (!(error instanceof SysError)) return error;
  switch (error.errno) {
    case errno.EACCES:
    case errno.EPERM:
      return new RefusedError(`Cannot ${action}: it belongs to another user`, { cause: error });
    case errno.EINVAL:
      return new UsageError(`Cannot ${action}: offset and size are whole pages of it, and within it`, { cause: error });
    default:
      return new RefusedError(error.message, { cause: error });
  }
}

/** Where memory is allocated. */
export interface AllocateOptions {
  /** Sizes of huge pages to try, in this order; those of `NODEOS_HUGE_PAGES` when absent: what the container has. */
  readonly pageBytes?: readonly number[];
}

/**
 * Allocates memory for this program alone, in huge pages of the container that it runs in: memory that no other container
 * can have. All of it is there, and zeroed, when this returns.
 *
 * Needs `--allow-ffi` without a path, and `--allow-env=NODEOS_HUGE_PAGES` unless sizes are given.
 *
 * @param bytes How much; the rest of the last page is of no use to anybody.
 * @returns The memory; disposing it detaches the buffer, and the pages go back to the container's.
 * @throws {Deno.errors.NotCapable} If a permission is missing, {RefusedError} if the container has not as much left, or has
 * no huge pages at all, {UsageError} if the size is none.
 */
export function allocate(bytes: number, { pageBytes = hugePagesOf(variable("NODEOS_HUGE_PAGES")) }: AllocateOptions = {}): MappedMemory {
  if (!isCount(bytes) || bytes === 0) throw new UsageError(`Cannot allocate ${bytes} bytes: write a whole number above 0`);
  if (pageBytes.length === 0) {
    throw new RefusedError(`Cannot allocate ${formatSize(bytes)}: NODEOS_HUGE_PAGES does not say what huge pages there are`, {
      remedy: "Run the program in a container with huge pages, and with --allow-env=NODEOS_HUGE_PAGES",
    });
  }
  let refused: SysError | undefined;
  for (const size of pageBytes) {
    try {
      return mapHugePages(bytes, size);
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      if (error.errno !== errno.ENOMEM) throw refusalOf(error, `allocate ${formatSize(bytes)}`);
      refused = error;
    }
  }
  const sizes = pageBytes.map(formatSize).join(" and ");
  throw new RefusedError(`Cannot allocate ${formatSize(bytes)}: the container has not as much left in huge pages of ${sizes}`, {
    cause: refused,
    remedy: "Allocate less, dispose what is not needed any more, or let the container have more",
  });
}

/** Reads `2097152,1073741824`. */
function hugePagesOf(text: string | undefined): number[] {
  return (text ?? "").split(",").filter((size) => /^\d+$/.test(size)).map(Number);
}
