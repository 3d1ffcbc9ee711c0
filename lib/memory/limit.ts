import type { Change } from "../plan/step.ts";
import type { MemoryNode, Problem } from "./memory_node.ts";
import type { Room } from "./room.ts";
import { bytesOf, formatSize, type Unit } from "./unit.ts";

/**
 * An amount and no pages: what programs of the container may use together, of memory that everybody else may use as well.
 * For machines that have nothing better, and said so wherever it is chosen.
 */
export const limit: MemoryNode = {
  name: "limit",
  doc: "an amount only: no page belongs to the container, and others may use up what it counts on",
  makes: ["heap"],
  lacks: () => null,
  suits: (_supply, { bytes, pageBytes }) => bytes !== undefined && pageBytes === undefined,
  roomBytes: (room: Room, node: number): number => room.availableBytes(node),
  decide(room: Room, { bytes, pageBytes }): Unit | Problem {
    const { nodes, basePageBytes } = room.supply;
    if (bytes === undefined) return { key: "size", kind: "usage", message: "there is no size", remedy: "Write one, such as size: 1GiB" };
    if (pageBytes !== undefined) {
      return { key: "page", kind: "usage", message: "a limit has no pages of its own", remedy: "Leave page out" };
    }
    if (bytes % basePageBytes !== 0) {
      const message = `${formatSize(bytes)} is no multiple of ${formatSize(basePageBytes)}`;
      return { key: "size", kind: "usage", message, remedy: "Write whole pages" };
    }
    const allBytes = bytesOf(nodes);
    if (bytes > allBytes) {
      return { key: "size", kind: "refused", message: `this machine has ${formatSize(allBytes)}`, remedy: "Ask for less" };
    }
    return { id: "limit", backend: "limit", node: -1, nodes: [], bytes, pageBytes: basePageBytes };
  },
  // It becomes the container's memory limit.
  plan: (): Change[] => [],
};
