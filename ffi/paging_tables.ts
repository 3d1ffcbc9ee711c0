import { check, errno } from "./errors.ts";
import { lazyLibrary } from "./library.ts";
import { statisticsFields, type ValuesOf } from "./paging.ts";
import { struct } from "./struct.ts";

const library = lazyLibrary({
  // int32_t nodeos_paging_layout(int32_t type, int32_t field);
  nodeos_paging_layout: { parameters: ["i32", "i32"], result: "i32" },
  // int32_t nodeos_paging_observe(int32_t pid, int32_t fd, uint64_t offset, uint8_t *ret_data, uint32_t bytes);
  nodeos_paging_observe: { parameters: ["i32", "i32", "u64", "buffer", "u32"], result: "i32" },
});

/** Beginning of what a region tells other processes: `struct table` of `paging/paging.h`; the name is in the last field. */
export const RegionTableLayout = struct({
  magic: "u64",
  version: "u32",
  header_bytes: "u32",
  address: "u64",
  bytes: "u64",
  page_bytes: "u64",
  pages: "u64",
  store_bytes: "u64",
  mode: "u32",
  memory: "u32",
  tracking: "u32",
  writable: "u32",
  limit_bytes: "u64",
  buffer_bytes: "u64",
  ...statisticsFields,
  name: "u32[64]",
});

/** Structures whose layout the library can tell; `layouts` in `paging/flat_table.c`. */
export const pagingLayoutTypes = {
  bufferOptions: 0,
  regionOptions: 1,
  statistics: 2,
  part: 3,
  tile: 4,
  facts: 5,
  request: 6,
  table: 7,
} as const;

/** Offset of a field of a C structure as the compiler laid it out, in bytes; its size for field -1; negative when there is none. */
export function pagingLayoutOf(type: number, field: number): number {
  return library().nodeos_paging_layout(type, field);
}

/** What another process says of a region of its own. */
export interface ObservedTable {
  /** Its numbers, as C has them. */
  readonly fields: Omit<ValuesOf<typeof RegionTableLayout>, "name">;
  /** What its store is called; "" when it has no name. */
  readonly name: string;
}

const tableMagic = 0x474150534f45444fn;

const tableVersion = 1;

/**
 * Reads what another process says of a region, by a descriptor of that process.
 *
 * @returns `null` when the process or the descriptor is gone, is none of ours, or of another version.
 * @throws {SysError} If this user may not look (`EACCES`).
 */
export function observeTable(pid: number, fd: number): ObservedTable | null {
  const data = observe(pid, fd, 0, RegionTableLayout.size);
  if (data === null || data.length < RegionTableLayout.size) return null;
  const { name: _, ...fields } = RegionTableLayout.read(data);
  if (fields.magic !== tableMagic || fields.version !== tableVersion) return null;
  const text = data.subarray(RegionTableLayout.offsets.name, RegionTableLayout.offsets.name + 256);
  const end = text.indexOf(0);
  return { fields, name: new TextDecoder().decode(text.subarray(0, end < 0 ? text.length : end)) };
}

/** What pages of a region are; the states of `paging/paging.h`. */
export const pageStates = { absent: 0, clean: 1, dirty: 2, poisoned: 3, filling: 4, changing: 5, writingBack: 6, evicting: 7 } as const;

/** Bits of a page's byte that hold its state. */
export const pageStateMask = 0x0f;

/** Reads the bytes of pages `from` on; fewer when the region is gone. */
export function observePages(pid: number, fd: number, { fields }: ObservedTable, from: number, count: number): Uint8Array<ArrayBuffer> {
  return observe(pid, fd, fields.header_bytes + from, count) ?? new Uint8Array();
}

function observe(pid: number, fd: number, offset: number, bytes: number): Uint8Array<ArrayBuffer> | null {
  const data = new Uint8Array(bytes);
  const length = library().nodeos_paging_observe(pid, fd, BigInt(offset), data, bytes);
  if ([-errno.ENOENT, -errno.ESRCH, -errno.EINVAL].includes(length)) return null;
  return data.subarray(0, check(length, () => `look into process ${pid}`));
}
