import { errno, SysError } from "../ffi/errors.ts";
import type { FileOwner, MemoryFile, MemoryFiles, MemoryWriter, PopulateRequest } from "../ffi/memory.ts";
import type { FakeKernel } from "./fake_kernel.ts";

/** Huge pages of one size that each NUMA node of a {@link FakeKernel} has, or could have. */
export interface FakeHugePages {
  /** Size of one. */
  readonly pageBytes: number;
  /** How many there is room for on a node. */
  readonly roomCount: number;
  /** The same, after what is in use was moved together. */
  readonly compactedCount?: number;
}

const tree = "/run/nodeos/memory/";
const mountinfo = "/proc/self/mountinfo";

/** Pools of huge pages as a machine has them before anybody reserves one, and how a value is taken; as `fake_settings.ts`. */
export function poolsOf(kernel: FakeKernel): Map<string, readonly [value: string, take: (path: string, value: string) => string]> {
  const settings = new Map<string, readonly [string, (path: string, value: string) => string]>();
  const { hugePages = [], nodeCount = 1 } = kernel.machine;
  const compacted = new Set<number>();
  for (let node = 0; hugePages.length > 0 && node < nodeCount; node++) {
    const directory = `/sys/devices/system/node/node${node}`;
    settings.set(`${directory}/compact`, ["", () => (compacted.add(node), "")]);
    for (const { pageBytes, roomCount, compactedCount = roomCount } of hugePages) {
      const pool = `${directory}/hugepages/hugepages-${pageBytes / 1024}kB`;
      settings.set(`${pool}/free_hugepages`, ["0", (path) => refuse(path, errno.EACCES)]);
      settings.set(`${pool}/surplus_hugepages`, ["0", (path) => refuse(path, errno.EACCES)]);
      settings.set(`${pool}/nr_hugepages`, ["0", (_, value) => {
        const read = (name: string) => Number(kernel.files.get(`${pool}/${name}`));
        const usedCount = read("nr_hugepages") - read("free_hugepages");
        const count = Math.max(usedCount, Math.min(Number(value), compacted.has(node) ? compactedCount : roomCount));
        kernel.files.set(`${pool}/free_hugepages`, `${count - usedCount}`);
        return `${count}`;
      }]);
    }
  }
  return settings;
}

/** One line of mountinfo, taken apart. */
interface FakeMount {
  readonly directory: string;
  readonly pageBytes: number;
  readonly sizeBytes: number;
}

/**
 * Memory of a {@link FakeKernel}. An object is a file with the text `BYTES ALLOCATED UID:GID NODE`, a link one with
 * `-> TARGET`, a device one with `device UID:GID`: so a snapshot shows them.
 */
export class FakeMemory implements MemoryFiles, MemoryWriter {
  /** Files that were made or grown, one after the other: what they have since is zeroes. */
  readonly filled: string[] = [];

  constructor(readonly kernel: FakeKernel) {}

  file(path: string): MemoryFile | null {
    const text = this.kernel.textOf(path);
    const [, bytes, allocated, uid, gid] = /^(\d+) (\d+) (\d+):(\d+) /.exec(text ?? "") ?? [];
    const device = /^device (\d+):(\d+)$/.exec(text ?? "");
    const base = { mode: 0o600, pageBytes: 4096, device: "00:2a", inode: 7 };
    if (device) return { ...base, bytes: 0, allocatedBytes: 0, uid: Number(device[1]), gid: Number(device[2]) };
    if (bytes === undefined) return null;
    return { ...base, bytes: Number(bytes), allocatedBytes: Number(allocated), uid: Number(uid), gid: Number(gid) };
  }

  target(path: string): string | null {
    return /^-> (.*)$/.exec(this.kernel.textOf(path) ?? "")?.[1] ?? null;
  }

  text(path: string): string | null {
    return this.kernel.textOf(path) ?? null;
  }

  setText(path: string, text: string | null): void {
    this.kernel.change(path, () => {
      if (text !== null) this.kernel.files.set(path, text);
      else if (!this.kernel.files.delete(path)) refuse(path, errno.ENOENT);
    });
  }

  isDirectory(path: string): boolean {
    return this.kernel.exists(path) && this.kernel.directories.has(path);
  }

  mount(path: string, type: string, options: string): void {
    this.kernel.change(path, () => {
      if (!path.startsWith(tree)) refuse(path, errno.EACCES);
      if (this.#mounts().some(({ directory }) => directory === path)) refuse(path, errno.EBUSY);
      this.kernel.directories.add(path);
      this.#setLines([...this.#lines(), `99 31 0:42 / ${path} rw,nosuid,nodev,noexec,relatime - ${type} nodeos rw,${shown(options)}`]);
    });
  }

  remount(path: string, options: string): void {
    this.kernel.change(path, () => {
      if (!this.#mounts().some(({ directory }) => directory === path)) refuse(path, errno.EINVAL);
      this.#setLines(this.#lines().map((line) => line.split(" ")[4] === path ? line.replace(/ rw,[^ ]*$/, ` rw,${shown(options)}`) : line));
    });
  }

  unmount(path: string): void {
    this.kernel.change(path, () => {
      if (!this.kernel.directories.has(path)) refuse(path, errno.ENOENT);
      for (const file of this.kernel.files.keys()) if (file.startsWith(`${path}/`)) refuse(path, errno.ENOTEMPTY);
      this.#setLines(this.#lines().filter((line) => line.split(" ")[4] !== path));
      this.kernel.directories.delete(path);
    });
  }

  populate(path: string, { fromBytes, toBytes, node, uid, gid, cgroups }: PopulateRequest): void {
    this.kernel.change(path, () => {
      const mount = this.#mountOf(path);
      const file = this.file(path);
      if ((file === null) !== (fromBytes === null)) refuse(path, file === null ? errno.ENOENT : errno.EEXIST);
      if (toBytes % mount.pageBytes !== 0) refuse(path, errno.EINVAL);
      for (const seat of cgroups) if (!this.kernel.files.has(seat)) refuse(seat, errno.ENOENT);
      const moreBytes = toBytes - (file?.allocatedBytes ?? 0);
      const usedBytes = this.#filesOf(mount.directory).reduce((sum, name) => sum + this.file(name)!.allocatedBytes, 0);
      if (usedBytes + moreBytes > mount.sizeBytes) refuse(path, errno.ENOSPC);
      this.#take(mount, node, moreBytes, path);
      this.kernel.files.set(path, `${toBytes} ${toBytes} ${uid}:${gid} ${node}`);
      this.filled.push(path);
    });
  }

  shrink(path: string, bytes: number, { uid, gid }: FileOwner): void {
    this.kernel.change(path, () => {
      const file = this.file(path);
      if (file === null || bytes > file.bytes) refuse(path, file === null ? errno.ENOENT : errno.EINVAL);
      const node = Number(this.kernel.files.get(path)!.split(" ")[3]);
      const allocatedBytes = Math.min(bytes, file.allocatedBytes);
      this.#take(this.#mountOf(path), node, allocatedBytes - file.allocatedBytes, path);
      this.kernel.files.set(path, `${bytes} ${allocatedBytes} ${uid}:${gid} ${node}`);
    });
  }

  remove(path: string): void {
    this.kernel.change(path, () => {
      const file = this.file(path);
      if (file !== null) this.#take(this.#mountOf(path), Number(this.kernel.files.get(path)!.split(" ")[3]), -file.allocatedBytes, path);
      if (!this.kernel.files.delete(path)) refuse(path, errno.ENOENT);
    });
  }

  link(path: string, device: string): void {
    this.kernel.change(path, () => {
      if (this.kernel.files.has(path)) refuse(path, errno.EEXIST);
      this.kernel.files.set(path, `-> ${device}`);
    });
  }

  own(device: string, _zeroBytes: number, { uid, gid }: FileOwner): void {
    this.kernel.change(device, () => {
      if (!this.kernel.files.has(device)) refuse(device, errno.ENOENT);
      this.kernel.files.set(device, `device ${uid}:${gid}`);
    });
  }

  #lines(): string[] {
    return (this.kernel.files.get(mountinfo) ?? "").split("\n");
  }

  #setLines(lines: readonly string[]): void {
    this.kernel.files.set(mountinfo, lines.join("\n"));
  }

  #mounts(): FakeMount[] {
    return this.#lines().flatMap((line): FakeMount[] => {
      const [, directory, options] = /^99 (?:\S+ ){3}(\S+) .* rw,(\S+)$/.exec(line) ?? [];
      if (directory === undefined) return [];
      const hugeCount = /pagesize=(\d+)M/.exec(options)?.[1];
      return [{
        directory,
        pageBytes: hugeCount === undefined ? 4096 : Number(hugeCount) * 2 ** 20,
        sizeBytes: Number(/size=(\d+)k/.exec(options)?.[1] ?? Infinity) * 1024,
      }];
    });
  }

  #mountOf(path: string): FakeMount {
    return this.#mounts().find(({ directory }) => path.startsWith(`${directory}/`)) ?? refuse(path, errno.ENOENT);
  }

  #filesOf(directory: string): string[] {
    return [...this.kernel.files.keys()].filter((name) => name.startsWith(`${directory}/`));
  }

  /** Takes huge pages out of a pool, or puts them back. */
  #take({ pageBytes }: FakeMount, node: number, bytes: number, path: string): void {
    if (pageBytes === 4096) return;
    const free = `/sys/devices/system/node/node${Math.max(0, node)}/hugepages/hugepages-${pageBytes / 1024}kB/free_hugepages`;
    const left = Number(this.kernel.files.get(free) ?? 0) - bytes / pageBytes;
    if (left < 0) refuse(path, errno.ENOSPC);
    this.kernel.files.set(free, `${left}`);
  }
}

/** Options as the kernel prints them: sizes in KiB, pages in MiB. */
function shown(options: string): string {
  return options.replace(/\bsize=(\d+)/, (_, bytes) => `size=${Number(bytes) / 1024}k`)
    .replace(/pagesize=(\d+)G/, (_, count) => `pagesize=${Number(count) * 1024}M`);
}

function refuse(path: string, error: number): never {
  throw new SysError(`change ${path}`, error);
}
