import type { Group } from "./measure.ts";
import { benchMixed } from "./memory/mixed.ts";
import { Programs } from "./memory/programs.ts";
import { benchStream } from "./memory/stream.ts";

/** Allocating memory of mixed sizes, and computing in it, beside glibc, libhugetlbfs and numactl. */
export function benchMemory(): Group[] {
  using programs = new Programs();
  return [...benchMixed(programs), benchStream(programs)];
}
