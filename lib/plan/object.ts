import { errno, SysError } from "../../ffi/errors.ts";
import type { KernelFiles } from "../../ffi/kernel_root.ts";
import type { FileOwner, MemoryFile } from "../../ffi/memory.ts";
import { RefusedError } from "../errors.ts";
import { memoryOf } from "./memory_of.ts";
import { readMount, readRoom, roomDriver } from "./mount.ts";
import { formatBytes, readFreePages } from "./pool.ts";
import type { Driver, Kernel } from "./kernel.ts";

/** What an `object` step is about. */
export interface ObjectPlace {
  /** The file. */
  readonly path: string;
  /** The NUMA node that its memory comes from; -1 is any. */
  readonly node: number;
  /** Directories of the cgroups that it is counted for. */
  readonly cgroups: readonly string[];
}

/** The parts of `PATH@NODE@DIR,DIR`. */
export function splitObject(what: string): ObjectPlace {
  const [, path, node, cgroups] = /^(.*)@(-?\d+)@([^@]*)$/.exec(what) ?? [];
  if (path === undefined) throw new SyntaxError(`Cannot read ${JSON.stringify(what)} as an object: it reads "PATH@NODE@CGROUP,CGROUP"`);
  return { path, node: Number(node), cgroups: cgroups.split(",").filter(Boolean) };
}

/** The parts of `BYTES UID:GID`. */
export function splitObjectValue(value: string): FileOwner & { readonly bytes: number } {
  const [, bytes, uid, gid] = /^(\d+) (\d+):(\d+)$/.exec(value) ?? [];
  if (bytes === undefined) throw new SyntaxError(`Cannot read ${JSON.stringify(value)} as an object: it reads "BYTES UID:GID"`);
  return { bytes: Number(bytes), uid: Number(uid), gid: Number(gid) };
}

/**
 * A file of memory, by `PATH@NODE@CGROUP,CGROUP`; `BYTES UID:GID`. All of its memory is there from the beginning. A file
 * that has less than its size says how much it has.
 */
export const objectDriver: Driver = {
  read(kernel, what) {
    const file = kernel.memory?.file(splitObject(what).path) ?? null;
    return file && `${Math.min(file.bytes, file.allocatedBytes)} ${file.uid}:${file.gid}`;
  },
  write(kernel, what, value) {
    const memory = memoryOf(kernel);
    const place = splitObject(what);
    const file = memory.file(place.path);
    if (value === null) {
      if (file !== null) memory.remove(place.path);
      return;
    }
    const { bytes, ...owner } = splitObjectValue(value);
    if (file !== null && (bytes < file.bytes || !isOwned(file, owner))) memory.shrink(place.path, Math.min(bytes, file.bytes), owner);
    if (file === null || file.allocatedBytes < bytes) populate(kernel, place, file, { bytes, ...owner });
  },
};

function isOwned(file: FileOwner, { uid, gid }: FileOwner): boolean {
  return file.uid === uid && file.gid === gid;
}

function populate(kernel: Kernel, place: ObjectPlace, file: MemoryFile | null, wish: FileOwner & { readonly bytes: number }): void {
  const { path, node } = place;
  const hadBytes = file === null ? null : Math.min(file.bytes, wish.bytes);
  // Somebody may have made a hole: then all of it is looked at.
  const isWhole = file !== null && file.allocatedBytes >= file.bytes;
  const fromBytes = isWhole || hadBytes === null ? hadBytes : 0;
  const cgroups = place.cgroups.map((directory) => `${directory}/${kernel.exists(`${directory}/tasks`) ? "tasks" : "cgroup.procs"}`);
  // Before, since the attempt may leave less.
  const missingBytes = wish.bytes - (file === null ? 0 : Math.min(file.allocatedBytes, wish.bytes));
  const request = { fromBytes, toBytes: wish.bytes, keepBytes: hadBytes, node, uid: wish.uid, gid: wish.gid, cgroups };
  try {
    inRoom(kernel, path.slice(0, path.lastIndexOf("/")), missingBytes, () => memoryOf(kernel).populate(path, request));
  } catch (error) {
    if (!(error instanceof SysError) || (error.errno !== errno.ENOMEM && error.errno !== errno.ENOSPC)) throw error;
    const reason = shortage(kernel, place, missingBytes);
    const name = path.slice(path.lastIndexOf("/") + 1);
    throw new RefusedError(`Cannot give object ${name} ${formatBytes(missingBytes)}: ${reason}`, { cause: error });
  }
}

/** Why there is not enough memory, as a clause. */
function shortage(kernel: KernelFiles, { path, node, cgroups }: ObjectPlace, bytes: number): string {
  const mount = readMount(kernel, path.slice(0, path.lastIndexOf("/"))) ?? "";
  const where = node < 0 ? "the machine" : `node ${node}`;
  const pageSize = /^hugetlbfs .*pagesize=(\d+)([KMG])/.exec(mount);
  if (pageSize !== null) {
    const pageBytes = Number(pageSize[1]) * 1024 ** (1 + "KMG".indexOf(pageSize[2]));
    const count = Math.ceil(bytes / pageBytes);
    const freeCount = readFreePages(kernel, node, pageBytes);
    if (freeCount < count) return `${where} has ${freeCount} of ${count} huge pages of ${formatBytes(pageBytes)} free`;
    return limitOf(kernel, cgroups, [
      `hugetlb.${pageSize[1]}${pageSize[2]}B.max`,
      `hugetlb.${pageSize[1]}${pageSize[2]}B.limit_in_bytes`,
    ]) ??
      `${where} has ${freeCount} free huge pages, and the kernel gives them to nobody`;
  }
  const freeBytes = readFreeBytes(kernel, node);
  if (freeBytes < bytes) return `${where} has ${formatBytes(freeBytes)} free`;
  return limitOf(kernel, cgroups, ["memory.max", "memory.limit_in_bytes"]) ??
    `${where} has ${formatBytes(freeBytes)} free, and not enough of it`;
}

/** Populates a file; in a tmpfs whose room is what its files have, with more room where it needs more. */
function inRoom(kernel: Kernel, directory: string, bytes: number, populate: () => void): void {
  try {
    return populate();
  } catch (error) {
    const roomBytes = readRoom(kernel, directory);
    if (!(error instanceof SysError && error.errno === errno.ENOSPC) || roomBytes === null) throw error;
    roomDriver.write(kernel, directory, `${roomBytes + bytes}`);
  }
  populate();
}

/** The limit of a cgroup that has one. */
function limitOf(kernel: KernelFiles, cgroups: readonly string[], names: readonly string[]): string | null {
  for (const file of cgroups.flatMap((directory) => names.map((name) => `${directory}/${name}`))) {
    const bytes = Number(kernel.tryRead(file)?.trim() ?? "max");
    if (bytes < 2 ** 60) return `the container may have ${formatBytes(bytes)} (${file})`;
  }
  return null;
}

/** In whole MiB, since it changes all the time. */
function readFreeBytes(kernel: KernelFiles, node: number): number {
  const text = kernel.tryRead(node < 0 ? "/proc/meminfo" : `/sys/devices/system/node/node${node}/meminfo`) ?? "";
  return Math.floor(Number(/MemFree:\s+(\d+) kB/.exec(text)?.[1] ?? 0) / 1024) * 2 ** 20;
}
