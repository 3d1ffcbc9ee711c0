import type { MemoryFiles, MemoryWriter } from "../../ffi/memory.ts";
import { RefusedError } from "../errors.ts";
import type { Kernel } from "./kernel.ts";

/**
 * Memory of a machine that can be handed out.
 *
 * @throws {RefusedError} If it is a machine of files only.
 */
export function memoryOf({ memory, base }: Kernel): MemoryFiles & MemoryWriter {
  if (memory === undefined) throw new RefusedError(`Cannot hand out memory: the machine at ${base} is made of files`);
  return memory;
}
