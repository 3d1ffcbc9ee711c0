import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { listNumbered, readCpuList, readNumber, readText } from "./value.ts";

/** A cache and the CPUs it serves. */
export interface Cache {
  /** 1 is nearest to the core. */
  readonly level: number;
  /** What it holds. */
  readonly type: "data" | "instruction" | "unified";
  /** Its size; `null` when the kernel does not say (many Arm machines). */
  readonly sizeBytes: number | null;
  /** Bytes moved at once; `null` when the kernel does not say. */
  readonly lineBytes: number | null;
  /** Associativity; `null` when the kernel does not say. */
  readonly ways: number | null;
  /** Its online CPUs, ascending. */
  readonly cpus: readonly number[];
}

const types: Record<string, Cache["type"]> = { Data: "data", Instruction: "instruction", Unified: "unified" };
const factors: Record<string, number> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** Reads the caches of the given CPUs, each once, ascending by level and first CPU; `[]` where the kernel hides them. */
export function readCaches(files: KernelFiles, onlineCpus: readonly number[]): Cache[] {
  const caches = new Map<string, Cache>();
  for (const cpu of onlineCpus) {
    const directory = `/sys/devices/system/cpu/cpu${cpu}/cache`;
    for (const index of listNumbered(files, directory, "index")) {
      const path = `${directory}/index${index}`;
      const level = readNumber(files, `${path}/level`);
      const type = types[readText(files, `${path}/type`) ?? ""];
      if (level === null || type === undefined) continue;
      const cpus = readCpuList(files, `${path}/shared_cpu_list`) ?? [cpu];
      const key = `${level} ${type} ${cpus}`;
      if (caches.has(key)) continue;
      caches.set(key, {
        level,
        type,
        sizeBytes: parseSize(readText(files, `${path}/size`)),
        lineBytes: readNumber(files, `${path}/coherency_line_size`),
        ways: readNumber(files, `${path}/ways_of_associativity`),
        cpus,
      });
    }
  }
  return [...caches.values()].sort((a, b) => a.level - b.level || a.cpus[0] - b.cpus[0] || (a.type < b.type ? -1 : 1));
}

/** `48K`; the kernel prints 0 for a size it does not know. */
function parseSize(text: string | null): number | null {
  const match = /^(\d+)([KMG]?)$/.exec(text ?? "");
  return match && Number(match[1]) > 0 ? Number(match[1]) * factors[match[2]] : null;
}
