import type { Inventory } from "../inventory.ts";
import { parseCpuList } from "../cpulist.ts";
import { readText } from "../value.ts";

/** The command line that a kernel was booted with, word by word. */
export class BootWords {
  readonly #words: readonly string[];
  readonly #lastCpu: number;

  /** Reads `/proc/cmdline`; a machine without it has no words. */
  constructor(inventory: Inventory) {
    const words = (readText(inventory.files, "/proc/cmdline") ?? "").split(/\s+/).filter(Boolean);
    // What follows a lone "--" is for the first process.
    const end = words.indexOf("--");
    this.#words = end < 0 ? words : words.slice(0, end);
    const possible = readText(inventory.files, "/sys/devices/system/cpu/possible");
    this.#lastCpu = (possible ? parseCpuList(possible) : inventory.presentCpus).at(-1) ?? 0;
  }

  /** The words of an argument as they stand there, in order; the kernel takes `-` and `_` in a name for the same. */
  all(name: string): string[] {
    return this.#words.filter((word) => word.split("=", 1)[0].replaceAll("-", "_") === name);
  }

  /** The value of an argument: that of its last word, `""` without a value, `null` when it is absent. */
  value(name: string): string | null {
    const last = this.all(name).at(-1);
    return last === undefined ? null : last.slice(last.split("=", 1)[0].length + 1).replaceAll('"', "");
  }

  /** CPUs of an argument's value, ascending; `null` when it is absent, has no value, or one that the kernel cannot read. */
  cpus(name: string): number[] | null {
    const value = this.value(name);
    return value === null ? null : parseBootList(value, this.#lastCpu);
  }

  /** CPUs of a list in a value; see {@link parseBootList}. */
  list(text: string): number[] | null {
    return parseBootList(text, this.#lastCpu);
  }
}

/**
 * Parses a CPU list as boot arguments have it: beside numbers and ranges, `all`, `N` for the last CPU, and `0-15:2/4`,
 * the first 2 of every 4.
 *
 * @param lastCpu What `N` stands for.
 * @returns Ascending numbers without those beyond `lastCpu`; `null` when the text is no such list, or an empty one.
 */
export function parseBootList(text: string, lastCpu: number): number[] | null {
  const cpus = new Set<number>();
  for (const field of text.trim().split(",")) {
    const match = /^(?:all|(\d{1,5}|N)(?:-(\d{1,5}|N)(?::(\d{1,5})\/(\d{1,5}))?)?)$/.exec(field);
    if (match === null) return null;
    const number = (digits: string) => digits === "N" ? lastCpu : Number(digits);
    const [first, last] = field === "all" ? [0, lastCpu] : [number(match[1]), number(match[2] ?? match[1])];
    const [used, group] = [Number(match[3] ?? 1), Number(match[4] ?? 1)];
    if (last < first || group === 0 || used > group) return null;
    for (let cpu = first; cpu <= Math.min(last, lastCpu); cpu++) if ((cpu - first) % group < used) cpus.add(cpu);
  }
  return cpus.size > 0 ? [...cpus].sort((a, b) => a - b) : null;
}
