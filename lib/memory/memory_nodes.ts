import { daxDevice } from "./dax_device.ts";
import { hugePages } from "./huge_pages.ts";
import { limit } from "./limit.ts";
import type { MemoryNode } from "./memory_node.ts";
import { sharedMemory } from "./shared_memory.ts";
import type { Backend } from "./unit.ts";
import { wholeNode } from "./whole_node.ts";

/** Every way to own memory, the strongest first: the order in which they are tried. */
export const memoryNodes: readonly MemoryNode[] = [daxDevice, hugePages, sharedMemory, wholeNode, limit];

/** The one of a name. */
export function memoryNodeOf(backend: Backend): MemoryNode {
  return memoryNodes.find(({ name }) => name === backend)!;
}
