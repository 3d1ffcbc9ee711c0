import assert from "node:assert/strict";
import { frameFlags, mergeFrames, processFrames } from "../../ffi/frames.ts";
import { wait } from "../../ffi/launch.ts";
import { Node, type StartedProgram } from "../../lib/container/node.ts";
import type { ContainerSpec, NodeRequest } from "../../lib/container/spec.ts";
import type { Unit } from "../../lib/memory/unit.ts";
import { checkout } from "../host.ts";
import { cgroups, delay, isGuest, kernel, read, stateDirectory } from "./guest.ts";
import { countElsewhere, Inspector, type MappedRun, memoryProbe } from "./memory_inspector.ts";

// Registered at their first use, which within a test would count as a leak.
if (isGuest) frameFlags(0, 1);

/** The program that knows nothing of units; `memory_stream.c`. */
export const memoryStream = `${checkout}build/vm/memory_stream`;
/** A mebibyte. */
export const mib = 2 ** 20;
/** What it says when it is where it shall be looked at. */
const statusPath = (name: string) => `/tmp/status-${name}`;
/** A large packaged program makes a heap, and says so. */
const scripts = {
  deno: (path: string) => [
    Deno.execPath(),
    "eval",
    "--no-lock",
    `const kept = Array.from({ length: 40000 }, (_, i) => ({ i, text: "x".repeat(i % 50) }));
     const bytes = new Uint8Array(12 << 20).fill(7);
     Deno.writeTextFileSync(${JSON.stringify(path)}, "faults 0 " + kept.length + bytes[5]); setInterval(() => {}, 1e6);`,
  ],
  python: (path: string) => [
    "/usr/bin/python3",
    "-c",
    `kept = [str(i) * 5 for i in range(40000)]; big = bytearray(b"7") * (12 << 20); import time, json, decimal
open(${JSON.stringify(path)}, "w").write("faults 0 %d" % len(kept)); time.sleep(1000)`,
  ],
};

/** Containers with programs in them, for one test. */
export class Programs implements AsyncDisposable {
  readonly node = new Node(kernel, stateDirectory);
  readonly inspector = new Inspector();
  readonly #started: { readonly program: StartedProgram; readonly name: string }[] = [];

  /** Makes containers. */
  static async up(request: NodeRequest): Promise<Programs> {
    const programs = new Programs();
    await programs.node.up(request, "persistent");
    return programs;
  }

  /** Starts a program, and resolves when it has written its status, to that and its process. */
  async start(container: string, label: string, argv: readonly string[], env: Record<string, string> = {}) {
    const program = this.node.start(container, { argv, addEnv: env, stdio: [-2, -1, -1] });
    this.#started.push({ program, name: label });
    return { pid: program.pid, status: await this.status(label, program.pid) };
  }

  /** What a program says of itself. */
  async status(label: string, pid: number): Promise<string> {
    for (let triesLeft = 1200;; triesLeft--) {
      const status = textOf(statusPath(label));
      if (/\S/.test(status)) return status.trim();
      const state = kernel.tryRead(`/proc/${pid}/stat`);
      assert.ok(state !== null && !/\) Z/.test(state), `${label} ended before it said anything`);
      assert.ok(triesLeft > 0, `${label} says nothing`);
      await delay(100);
    }
  }

  /** The STREAM-like program. */
  stream(container: string, env: Record<string, string> = {}) {
    return this.start(container, `stream-${container}`, [memoryStream, "run", "5", statusPath(`stream-${container}`)], env);
  }

  /** A large program of the distribution, or this runtime. */
  large(container: string, which: keyof typeof scripts) {
    return this.start(container, `${which}-${container}`, scripts[which](statusPath(`${which}-${container}`)));
  }

  /** The program that asks for all there is. */
  exhaust(container: string) {
    return this.start(container, `exhaust-${container}`, [memoryStream, "exhaust", statusPath(`exhaust-${container}`)]);
  }

  /**
   * A program that takes all there is and keeps it, as soon as it is told to go.
   *
   * @param label One of several in a container.
   * @param isAlone It does not know which shares its container has.
   */
  keep(container: string, label: string, isAlone = false) {
    const status = statusPath(`${label}-${container}`);
    const alone = isAlone ? ["/usr/bin/env", "-u", "NODEOS_HUGE_SHARES"] : [];
    return this.start(container, `${label}-${container}`, [...alone, memoryStream, "keep", status]);
  }

  /** Tells programs that take all there is to begin with it. */
  go(container: string, ...labels: readonly string[]): void {
    for (const label of labels) Deno.writeTextFileSync(`${statusPath(`${label}-${container}`)}.max`, "");
  }

  /** Pages of 2 MiB that programs of a container have, by NUMA node, as the kernel counts them. */
  hugePages(container: string): number[] {
    const text = read(`${cgroups}/nodeos-${container}/hugetlb.2MB.numa_stat`);
    return [...text.matchAll(/ N\d+=(\d+)/g)].map(([, bytes]) => Number(bytes) / (2 * mib));
  }

  /**
   * Waits until programs of a container have so many pages of 2 MiB on each node, and go on having them.
   *
   * @param most What they must not have more of on the way.
   */
  async settle(container: string, expected: readonly number[], most: readonly number[] = []): Promise<void> {
    for (let triesLeft = 1500;; triesLeft--) {
      const counts = this.hugePages(container);
      assert.ok(counts.every((count, node) => count <= (most[node] ?? Infinity)), `${container} has ${counts} huge pages, at most ${most}`);
      if (counts.join() === expected.join()) break;
      assert.ok(triesLeft > 0, `${container} has ${counts} huge pages, and not ${expected}`);
      await delay(20);
    }
    await delay(500);
    assert.deepEqual(this.hugePages(container), expected, container);
  }

  /**
   * A neighbour that checks its patterns all the time.
   *
   * @param huge How many huge pages it takes, as `NODE:PAGES`.
   */
  hold(container: string, huge = "") {
    const status = statusPath(`hold-${container}`);
    Deno.writeTextFileSync(`${status}.max`, huge);
    return this.start(container, `hold-${container}`, [memoryProbe, "hold", status]);
  }

  /** A program that takes as many huge pages of a node as it wants, whenever there is one. */
  take(container: string, node: number, pages: number) {
    const label = `take-${container}`;
    return this.start(container, label, [memoryProbe, "take", `${node}`, `${pages}`, statusPath(label)]);
  }

  /** What a container has. */
  unitsOf(container: string): readonly Unit[] {
    return (this.node.find(container).spec as ContainerSpec).memory?.units ?? [];
  }

  /** Asserts that a neighbour lives, has gone on, and never was short of anything that it has. */
  async goesOn(container: string, pid: number): Promise<void> {
    const rounds = async () => Number(/^rounds (\d+)/.exec(await this.status(`hold-${container}`, pid))?.[1] ?? assert.fail());
    const before = await rounds();
    for (let triesLeft = 100; await rounds() === before; triesLeft--) {
      assert.ok(triesLeft > 0, `the neighbour in ${container} stands still`);
      await delay(100);
    }
    assert.match(await this.status(`hold-${container}`, pid), / starved 0 /, `the neighbour in ${container}`);
  }

  /** Page frames of a process. */
  frames(pid: number): Promise<MappedRun[]> {
    return this.inspector.process(pid);
  }

  /** Asserts that the library sees the same frames of a program at rest. */
  async assertSeen(pid: number): Promise<void> {
    const runs = await this.frames(pid);
    for (const [kind, ours] of [["a", "anonymous"], ["h", "huge"]] as const) {
      const seen = processFrames(pid).filter((run) => run.kind === ours);
      assert.deepEqual(mergeFrames(seen), mergeFrames(runs.filter((run) => run.kind === kind)), `${ours} frames of ${pid}`);
    }
  }

  /** How many programs of a container the kernel has killed for memory. */
  killed(container: string): number {
    return Number(/^oom_kill (\d+)/m.exec(read(`${cgroups}/nodeos-${container}/memory.events`))?.[1] ?? 0);
  }

  /** Ends everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.node.down([], 0);
    for (const { program, name } of this.#started) {
      wait(program);
      for (const end of ["", ".max"]) await Deno.remove(`${statusPath(name)}${end}`).catch(() => {});
    }
    await this.inspector[Symbol.asyncDispose]();
  }
}

function textOf(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** KiB of runs of one sort, by the name of their mapping; the largest first. */
export function byName(runs: readonly MappedRun[], kind: MappedRun["kind"]): [string, number][] {
  const sizes = new Map<string, number>();
  for (const run of runs) if (run.kind === kind) sizes.set(run.name, (sizes.get(run.name) ?? 0) + run.count * 4);
  return [...sizes].sort(([, a], [, b]) => b - a);
}

/** KiB of one sort together. */
export function sumOf(runs: readonly MappedRun[], kind: MappedRun["kind"]): number {
  return byName(runs, kind).reduce((sum, [, size]) => sum + size, 0);
}

/** Asserts that all memory of a program's own lies on nodes, and that there is a lot of it. */
export function assertWithin(runs: readonly MappedRun[], nodes: readonly number[], label: string): void {
  const own = runs.filter(({ kind }) => kind !== "s");
  assert.ok(sumOf(own, "a") + sumOf(own, "h") > 12 * 1024, `${label} has little memory: ${JSON.stringify(byName(own, "a"))}`);
  assert.equal(countElsewhere(own, nodes), 0, `frames of ${label} outside of node ${nodes}`);
}

/** Says what of a program's memory lies outside of its huge pages, and asserts that it is small. */
export function assertMostlyHuge(runs: readonly MappedRun[], node: number, label: string, outsideKibMax: number): void {
  const outside = sumOf(runs, "a");
  console.log(`${label}: ${sumOf(runs, "h")} KiB in huge pages, ${outside} KiB outside: ${JSON.stringify(byName(runs, "a").slice(0, 8))}`);
  assert.ok(sumOf(runs, "h") > 12 * 1024, `${label} has its memory in huge pages`);
  assert.equal(countElsewhere(runs.filter(({ kind }) => kind === "h"), [node]), 0, `huge pages of ${label} on other nodes than ${node}`);
  assert.ok(outside <= outsideKibMax, `${outside} KiB of ${label} lie outside, and not at most ${outsideKibMax}`);
}
