import { hugePageSizes } from "../kernel/numa.ts";
import { type Site, takeSeat } from "../plan/seat.ts";
import type { Change } from "../plan/step.ts";
import { type MemoryNode, notMultiple, type Problem } from "./memory_node.ts";
import { planObjects } from "./objects.ts";
import type { Room } from "./room.ts";
import { planShares } from "./shares.ts";
import { controllerSize } from "./huge_usage.ts";
import type { Supply } from "./supply.ts";
import { bytesOf, formatSize, type OwnMemory, type Unit, type UnitRequest } from "./unit.ts";

/**
 * Huge pages, reserved in the pool of a NUMA node. The kernel's page allocator never has them, so no ordinary memory of
 * anybody lies there. How many a container may have is enforced by the hugetlb controller: `rsvd.max` lets a mapping fail
 * that would not be served (ENOMEM), `max` bounds what is there.
 *
 * Source: Documentation/admin-guide/mm/hugetlbpage.rst, cgroup-v2.rst (HugeTLB). Cost: populating 64 MiB took 83-407 ms in
 * an emulated guest.
 */
export const hugePages: MemoryNode = {
  name: "hugetlb",
  doc: "huge pages reserved on a NUMA node; ordinary memory never lies in them",
  makes: ["heap", "object"],
  lacks({ hugePageBytes, hugeLimitProblem }: Supply): string | null {
    return hugePageBytes === null ? "the kernel has no huge pages (CONFIG_HUGETLBFS)" : hugeLimitProblem;
  },
  suits(supply: Supply, { bytes, pageBytes }: UnitRequest): boolean {
    if (bytes === undefined) return pageBytes !== undefined && pageBytes > supply.basePageBytes;
    return pageBytes === undefined ? bytes % (supply.hugePageBytes ?? Infinity) === 0 : pageBytes > supply.basePageBytes;
  },
  roomBytes: (room: Room, node: number, { pageBytes }: UnitRequest): number =>
    room.hugeBytes(node, pageBytes ?? room.supply.hugePageBytes ?? room.supply.basePageBytes),
  decide(room: Room, { bytes, pageBytes: asked, node, object }): Unit | Problem {
    const { supply } = room;
    const pageBytes = asked ?? supply.hugePageBytes ?? 0;
    const sizes = supply.nodes.find(({ id }) => id === node)?.pools.map((pool) => pool.pageBytes) ?? [];
    if (!sizes.includes(pageBytes)) {
      const remedy = `This machine has huge pages of ${sizes.map(formatSize).join(", ")}`;
      return { key: "page", kind: "usage", message: `there are no huge pages of ${formatSize(pageBytes)}`, remedy };
    }
    if (bytes === undefined) return { key: "size", kind: "usage", message: "there is no size", remedy: "Write one, such as size: 1GiB" };
    if (bytes % pageBytes !== 0) return notMultiple(bytes, pageBytes, formatSize);
    const growthBytes = room.poolGrowthBytes(node, pageBytes, bytes / pageBytes);
    if (growthBytes > room.availableBytes(node)) {
      const message = `node ${node} has no ${formatSize(bytes)} in huge pages of ${formatSize(pageBytes)}`;
      return { key: "size", kind: "refused", message, remedy: room.describe((id) => room.hugeBytes(id, pageBytes)) };
    }
    const usual = pageBytes === supply.hugePageBytes ? "" : `:${formatSize(pageBytes)}`;
    const id = object ?? `node${node}${usual}`;
    return { id, backend: "hugetlb", node, nodes: [node], bytes, pageBytes, ...(object === undefined ? {} : { object }) };
  },
  plan(site: Site, units: readonly Unit[], memory: OwnMemory): Change[] {
    const { hierarchy, directory, changes } = takeSeat(site, "hugetlb", "count its huge pages");
    const suffix = hierarchy.version === 2 ? "max" : "limit_in_bytes";
    const limits = hugePageSizes(site.inventory.numaNodes).flatMap((pageBytes): Change[] => {
      // An object has its pages already, in nobody's count: programs could take what is meant for one that is to come.
      const own = units.filter((unit) => unit.pageBytes === pageBytes && unit.object === undefined);
      const why = own.length > 0 ? `its huge pages of ${formatSize(pageBytes)}` : `it has no huge pages of ${formatSize(pageBytes)}`;
      // A reservation is counted before the page: it has to have room first, and both go back by themselves.
      return ["rsvd.", ""].map((part) => {
        const file = `hugetlb.${controllerSize(pageBytes)}.${part}${suffix}`;
        const initial = hierarchy.version === 2 ? "max" : site.inventory.files.tryRead(`${hierarchy.mount}/${file}`)?.trim();
        return { kind: "file", what: `${directory}/${file}`, to: `${bytesOf(own)}`, why, initial };
      });
    });
    // What is more of a node may be taken only by those who know of all nodes.
    return [...changes, ...planShares(site, units, memory), ...limits, ...planObjects(site, units, memory)];
  },
};
