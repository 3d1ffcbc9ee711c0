import { type Site, takeSeat } from "../plan/seat.ts";
import type { Change } from "../plan/step.ts";
import type { MemoryNode, Problem } from "./memory_node.ts";
import type { Room } from "./room.ts";
import type { Supply } from "./supply.ts";
import { formatSize, type Unit, type UnitRequest } from "./unit.ts";

/**
 * Whole NUMA nodes, real ones or those that `numa=fake` makes of them: everything that programs of the container use lies
 * there, by the cpuset alone, and nothing of another container does. Programs outside of all containers keep away from
 * them where the feature `tasks` moves them; the kernel itself keeps a few pages everywhere.
 *
 * A unit that is larger than one node takes further nodes of the same hardware.
 *
 * Source: Documentation/admin-guide/cgroup-v2.rst (cpuset.mems), Documentation/arch/x86/x86_64/fake-numa-for-cpusets.rst.
 * Cost: giving up 150 MiB in use took 0.6-0.9 s in an emulated guest.
 */
export const wholeNode: MemoryNode = {
  name: "node",
  doc: "whole NUMA nodes, real or by numa=fake at boot: everything of the programs lies there by itself",
  makes: ["heap"],
  lacks({ nodes }: Supply): string | null {
    if (nodes.length > 1) return null;
    return "the machine has one NUMA node, which the ServiceOS needs; booted with numa=fake=8 it has eight (nodeos doctor --boot)";
  },
  suits: ({ nodes }: Supply, { bytes, pageBytes }: UnitRequest): boolean =>
    bytes === undefined && pageBytes === undefined && nodes.length > 1,
  roomBytes: (room: Room, node: number): number =>
    room.usersOf(node).length > 0 ? 0 : room.supply.nodes.find(({ id }) => id === node)!.bytes,
  decide(room: Room, { bytes, node, pageBytes }): Unit | Problem {
    const { nodes, basePageBytes } = room.supply;
    if (pageBytes !== undefined && pageBytes !== basePageBytes) {
      return { key: "page", kind: "usage", message: "a whole NUMA node has pages of all sizes", remedy: "Leave page out" };
    }
    if (room.ownerOf(node) !== null) {
      const message = `node ${node} is the container's own already, all of it`;
      return { key: "node", kind: "usage", message, remedy: `Take another one; free as a whole: ${freeNodes(room)}` };
    }
    const first = nodes.find(({ id }) => id === node)!;
    const isFree = (id: number) => room.usersOf(id).length === 0 && room.ownerOf(id) === null;
    // The last ones: the first has the kernel's own things.
    const candidates = [node, ...first.hardware.filter((id) => id !== node && isFree(id)).toReversed()];
    const chosen: number[] = [];
    let sizeBytes = 0;
    for (const id of candidates) {
      if (sizeBytes >= (bytes ?? 1)) break;
      chosen.push(id);
      sizeBytes += nodes.find((node) => node.id === id)!.bytes;
    }
    chosen.sort((a, b) => a - b);
    const users = room.usersOf(node);
    if (users.length > 0) {
      const message = `node ${node} is in use by ${users.join(", ")}`;
      const remedy = `Keep it off that node first: nodeos resize ${users[0]} --nodes LIST; free as a whole: ${freeNodes(room)}`;
      return { key: "node", kind: "refused", message, remedy };
    }
    if (sizeBytes < (bytes ?? 1)) {
      const message = `node ${node} has ${formatSize(sizeBytes)}${chosen.length > 1 ? ` with ${chosen.join(", ")}` : ""}`;
      return { key: "size", kind: "refused", message, remedy: "Leave size out for the whole node, or ask for less" };
    }
    if (room.sharedNodes.every((id) => chosen.includes(id))) {
      const remedy = "Leave one node to the ServiceOS, or take huge pages of it: backend: hugetlb";
      return { key: "node", kind: "refused", message: "no NUMA node would be left for the ServiceOS", remedy };
    }
    return { id: `node${node}`, backend: "node", node, nodes: chosen, bytes: sizeBytes, pageBytes: basePageBytes };
  },
  plan(site: Site): Change[] {
    // The cpuset of the container says it already; only version 1 has to be told that memory follows.
    const { hierarchy: { version }, directory } = takeSeat(site, "cpuset", "own NUMA nodes");
    const why = "its memory follows when its nodes change";
    return version === 2 ? [] : [{ kind: "file", what: `${directory}/cpuset.memory_migrate`, to: "1", why, initial: "0" }];
  },
};

function freeNodes(room: Room): string {
  return room.supply.nodes.map(({ id }) => id).filter((id) => room.usersOf(id).length === 0 && room.ownerOf(id) === null).join(", ") ||
    "none";
}
