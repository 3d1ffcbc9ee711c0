import type { Site } from "../plan/seat.ts";
import type { Change } from "../plan/step.ts";
import { type MemoryNode, notMultiple, type Problem } from "./memory_node.ts";
import { planObjects } from "./objects.ts";
import type { Room } from "./room.ts";
import type { Supply } from "./supply.ts";
import { formatSize, type OwnMemory, type Unit, type UnitRequest } from "./unit.ts";

/**
 * Files in memory (tmpfs), bound to a NUMA node, with every page in place from the grant on. Finer than huge pages, and on
 * every machine; only for objects, since memory that programs share does not survive a fork as memory of their own.
 *
 * A file has a name where a memfd would need a process that lives as long as the unit, and dies with it.
 *
 * Source: Documentation/filesystems/tmpfs.rst. Cost: 64 MiB took 320-705 ms to populate in an emulated guest.
 */
export const sharedMemory: MemoryNode = {
  name: "tmpfs",
  doc: "pages of any number, held by a file that programs map by its name",
  makes: ["object"],
  lacks: () => null,
  suits({ basePageBytes }: Supply, { bytes, pageBytes, object }: UnitRequest): boolean {
    return object !== undefined && bytes !== undefined && (pageBytes === undefined || pageBytes === basePageBytes);
  },
  roomBytes: (room: Room, node: number): number => room.availableBytes(node),
  decide(room: Room, { bytes, pageBytes: asked, node, object }): Unit | Problem {
    const pageBytes = room.supply.basePageBytes;
    if (asked !== undefined && asked !== pageBytes) {
      const message = `files in memory have pages of ${formatSize(pageBytes)}`;
      return { key: "page", kind: "usage", message, remedy: "Leave page out, or take backend: hugetlb for larger ones" };
    }
    if (bytes === undefined) return { key: "size", kind: "usage", message: "there is no size", remedy: "Write one, such as size: 256MiB" };
    if (bytes % pageBytes !== 0) return notMultiple(bytes, pageBytes, formatSize);
    if (bytes > room.availableBytes(node)) {
      const message = `node ${node} has no ${formatSize(bytes)}`;
      return { key: "size", kind: "refused", message, remedy: room.describe((id) => room.availableBytes(id)) };
    }
    return { id: object!, backend: "tmpfs", node, nodes: [node], bytes, pageBytes, object };
  },
  plan: (site: Site, units: readonly Unit[], memory: OwnMemory): Change[] => planObjects(site, units, memory),
};
