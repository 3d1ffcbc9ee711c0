import assert from "node:assert/strict";
import { checkout } from "../host.ts";
import { parseCpuList } from "../../lib/kernel/cpulist.ts";
import { kernel, read } from "./guest.ts";

/** The program that looks at physical memory, and that holds some; `memory_probe.c`. */
export const memoryProbe = `${checkout}build/vm/memory_probe`;

/** Page frames in a row. */
export interface Run {
  /** The first one. */
  readonly frame: number;
  /** How many. */
  readonly count: number;
}

/** Page frames of a process: `a` anonymous, `h` huge pages of its own, `s` of a file or shared. */
export interface MappedRun extends Run {
  /** See above. */
  readonly kind: "a" | "h" | "s";
  /** What maps them, as `/proc/PID/maps` names it; `-` is nothing. */
  readonly name: string;
}

/** Looks at page frames, and writes patterns into objects, by a program that knows nothing of the project. */
export class Inspector implements AsyncDisposable {
  readonly #child = new Deno.Command(memoryProbe, { args: ["serve"], stdin: "piped", stdout: "piped" }).spawn();
  readonly #questions = this.#child.stdin.getWriter();
  readonly #answers = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  #rest = "";

  /** Its process id. */
  get pid(): number {
    return this.#child.pid;
  }

  async #line(): Promise<string> {
    while (!this.#rest.includes("\n")) {
      const { value, done } = await this.#answers.read();
      if (done) throw new Error("the program that looks at memory has ended");
      this.#rest += value;
    }
    const at = this.#rest.indexOf("\n");
    const line = this.#rest.slice(0, at);
    this.#rest = this.#rest.slice(at + 1);
    return line;
  }

  async #ask(question: string, isList = false): Promise<string[]> {
    await this.#questions.write(new TextEncoder().encode(`${question}\n`));
    const lines = [await this.#line()];
    if (lines[0].startsWith("Cannot") || !isList) return lines;
    while (lines.at(-1) !== ".") lines.push(await this.#line());
    return lines.slice(0, -1);
  }

  /** Frames of a file in memory. */
  async frames(path: string): Promise<Run[]> {
    const lines = await this.#ask(`frames ${path}`, true);
    return lines.map((line) => {
      const [, frame, count] = /^(\d+) (\d+)$/.exec(line) ?? assert.fail(line);
      return { frame: Number(frame), count: Number(count) };
    });
  }

  /** Frames of a process; those of the zero page left out. */
  async process(pid: number): Promise<MappedRun[]> {
    return (await this.#ask(`process ${pid}`, true)).map((line) => {
      const [, frame, count, kind, name] = /^(\d+) (\d+) ([ahs]) (.*)$/.exec(line) ?? assert.fail(line);
      return { frame: Number(frame), count: Number(count), kind: kind as MappedRun["kind"], name };
    });
  }

  /** Writes the pattern of a seed into pages of 4 KiB, which have to be zero. */
  async stamp(path: string, seed: number, fromPage: number, toPage: number): Promise<void> {
    assert.deepEqual(await this.#ask(`stamp ${path} ${seed} ${fromPage} ${toPage}`), ["ok"], path);
  }

  /** Asserts that the first pages have it. */
  async check(path: string, seed: number, toPage: number, why: string): Promise<void> {
    assert.deepEqual(await this.#ask(`check ${path} ${seed} ${toPage}`), ["ok"], `${path} ${why}`);
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#questions.close();
    await this.#answers.cancel();
    await this.#child.status;
  }
}

/** Frames that two owners have, in words; the first few. Who shares one on purpose has one name. */
export function overlaps(owned: readonly (Run & { readonly owner: string })[]): string[] {
  const sorted = owned.toSorted((a, b) => a.frame - b.frame);
  const found: string[] = [];
  // The runs that reach furthest of each owner: one that begins before their end has frames of theirs.
  const ends = new Map<string, number>();
  for (const { frame, count, owner } of sorted) {
    for (const [other, end] of ends) {
      if (end <= frame) ends.delete(other);
      else if (other !== owner && found.length < 8) found.push(`frame ${frame} of ${owner} is in the hands of ${other} as well`);
    }
    ends.set(owner, Math.max(ends.get(owner) ?? 0, frame + count));
  }
  return found;
}

/** Frames of a node, from its zones. */
export function nodeRuns(node: number): Run[] {
  return read("/proc/zoneinfo").split(/^(?=Node \d+, zone)/m).flatMap((zone) => {
    if (Number(/^Node (\d+)/.exec(zone)?.[1] ?? -1) !== node) return [];
    const count = Number(/^\s+spanned\s+(\d+)/m.exec(zone)?.[1] ?? 0);
    return count === 0 ? [] : [{ frame: Number(/^\s+start_pfn:\s+(\d+)/m.exec(zone)![1]), count }];
  });
}

/** How many frames of runs lie on other nodes than these. */
export function countElsewhere(runs: readonly Run[], nodes: readonly number[]): number {
  const zones = nodes.flatMap(nodeRuns);
  return runs.reduce((sum, run) => {
    const inside = zones.reduce((part, zone) => {
      const from = Math.max(run.frame, zone.frame);
      const to = Math.min(run.frame + run.count, zone.frame + zone.count);
      return part + Math.max(0, to - from);
    }, 0);
    return sum + run.count - inside;
  }, 0);
}

/** NUMA nodes with memory. */
export function memoryNodes(): number[] {
  return parseCpuList(read("/sys/devices/system/node/has_memory"));
}

/** Files of one kind for each node and page size, such as `nr_hugepages`. */
export function pools(file: string): Record<string, number> {
  return Object.fromEntries(
    memoryNodes().flatMap((node) =>
      kernel.list(`/sys/devices/system/node/node${node}/hugepages`).map(({ name }) => [
        `node${node} ${name}`,
        Number(read(`/sys/devices/system/node/node${node}/hugepages/${name}/${file}`)),
      ])
    ),
  );
}

/** What the machine has for everybody, and what a leak of ours would take of it. */
export interface Free {
  /** Pages in the pools, and free ones. */
  readonly pools: Record<string, number>;
  /** Free pages in the pools. */
  readonly free: Record<string, number>;
  /** Mounts below the directory of objects. */
  readonly mounts: readonly string[];
  /** Our cgroups. */
  readonly cgroups: readonly string[];
  /** Whether there is anything below it. */
  readonly isThere: boolean;
}

/** Reads that. */
export function readFree(): Free {
  return {
    pools: pools("nr_hugepages"),
    free: pools("free_hugepages"),
    mounts: objectMounts(),
    cgroups: kernel.list("/sys/fs/cgroup").map(({ name }) => name).filter((name) => name.startsWith("nodeos-")),
    isThere: kernel.exists("/run/nodeos/memory"),
  };
}

/** Lines of the file systems of objects, without their numbers. */
export function objectMounts(): string[] {
  return read("/proc/self/mountinfo").split("\n").filter((line) => line.includes(" /run/nodeos/memory/"))
    .map((line) => line.split(" ").slice(3).join(" ")).sort();
}

/** What the kernel counts of memory, in bytes by name, once nothing waits on a list of a CPU any more. */
export function memoryCounts(): Map<string, number> {
  kernel.write("/proc/sys/vm/drop_caches", "3");
  kernel.write("/proc/sys/vm/compact_memory", "1");
  read("/proc/sys/vm/stat_refresh");
  const counts = new Map([...read("/proc/meminfo").matchAll(/^(\S+):\s+(\d+) kB/gm)].map(([, name, kib]) => [name, Number(kib) * 1024]));
  // Free as well, but for one CPU each.
  const kept = [...read("/proc/zoneinfo").matchAll(/^\s+count:\s+(\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count) * 4096, 0);
  return counts.set("PerCpuFree", kept);
}

/**
 * Memory that is neither free nor accounted for by programs, copies of files, or the kernel's counted parts: what grows
 * when frames are lost.
 */
export function unaccountedBytes(counts: ReadonlyMap<string, number>): number {
  const parts = ["MemFree", "Buffers", "Cached", "AnonPages", "Slab", "PageTables", "KernelStack", "Percpu", "Hugetlb", "PerCpuFree"];
  return counts.get("MemTotal")! - parts.reduce((sum, name) => sum + counts.get(name)!, 0);
}

/** What differs by at least a MiB, in MiB. */
export function countsChanged(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): string {
  const parts = [...after].map(([name, bytes]) => [name, Math.round((bytes - (before.get(name) ?? 0)) / 2 ** 20)] as const);
  return parts.filter(([, mib]) => mib !== 0).map(([name, mib]) => `${name} ${mib > 0 ? "+" : ""}${mib}`).join(", ");
}
