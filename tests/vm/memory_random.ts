import assert from "node:assert/strict";
import { wait } from "../../ffi/launch.ts";
import { decideMemoryChange, type MemoryChange } from "../../lib/container/grant.ts";
import { Node, type StartedProgram } from "../../lib/container/node.ts";
import type { ContainerSpec } from "../../lib/container/spec.ts";
import { NodeosError } from "../../lib/errors.ts";
import { objectPath } from "../../lib/memory/objects.ts";
import type { Unit, UnitRequest } from "../../lib/memory/unit.ts";
import { listNumbered } from "../../lib/kernel/value.ts";
import { cgroups, delay, guestTest, isGuest, kernel, read, stateDirectory } from "./guest.ts";
import {
  countElsewhere,
  countsChanged,
  Inspector,
  memoryCounts,
  memoryNodes,
  memoryProbe,
  nodeRuns,
  objectMounts,
  overlaps,
  pools,
  readFree,
  type Run,
  unaccountedBytes,
} from "./memory_inspector.ts";

/** How many changes; a few where nobody says. */
const rounds = isGuest ? Number(Deno.env.get("NODEOS_MEMORY_ROUNDS") ?? 15) : 0;
const names = ["a", "b", "c"] as const;
const mib = 2 ** 20;
const hugeBytes = 2 * mib;
/** What a container has at most, so that a round stays short. */
const unitsMax = 5;
/** What may be lost to things that nobody counts: the kernel's own, of the sort that does not grow. */
const lostBytesMax = 12 * mib;

/** A generator of numbers below 1 that is the same for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** An object as the test knows it: every page has the pattern of its seed. */
interface Known {
  readonly seed: number;
  readonly pages: number;
}

/** Containers that change, the programs in them, and what their memory has to look like. */
class Trial {
  readonly node = new Node(kernel, stateDirectory);
  readonly programs = new Map<string, StartedProgram>();
  readonly objects = new Map<string, Known>();
  readonly refusals = new Map<string, number>();
  readonly done = { changed: 0, refused: 0, scans: 0, moved: 0 };
  /** Where the time went, in milliseconds. */
  readonly spent = { change: 0, facts: 0, patterns: 0, scan: 0 };
  #frames = new Map<string, string>();
  /** What was done, for who has to find out what was wrong. */
  readonly story: string[] = [];
  #next = 1;

  constructor(readonly inspector: Inspector, readonly random: () => number, readonly nodes: readonly number[]) {}

  /** All the changes. */
  async run(): Promise<void> {
    for (let round = 1; round <= rounds; round++) {
      const name = this.pick(names);
      await this.make(name, this.change(name));
      this.checkPrograms();
      if (round % 5 === 0) await this.#timed("scan", () => this.scan(round % 50 === 0));
      if (round % 100 === 0) console.log(`${round} changes: ${JSON.stringify(this.done)}, ms ${JSON.stringify(this.spent)}`);
    }
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.random() * items.length)];
  }

  unitsOf(name: string): readonly Unit[] {
    return (this.node.find(name).spec as ContainerSpec).memory?.units ?? [];
  }

  /** Some change, of the sort that people make, and now and then one that is wrong. */
  change(name: string): MemoryChange {
    const units = this.unitsOf(name);
    const dice = this.random();
    if (units.length === 0 || (dice < 0.4 && units.length < unitsMax)) return { kind: "grant", unit: this.#wish(name) };
    const unit = this.pick(units);
    if (dice < 0.75 && unit.backend !== "node") return { kind: "resize", id: unit.id, bytes: this.#size(unit) };
    return { kind: "revoke", id: unit.id };
  }

  #size({ backend }: Pick<Unit, "backend">): number {
    const wrong = this.random();
    if (wrong < 0.03) return 2 ** 33;
    if (wrong < 0.06) return hugeBytes + 512;
    const pages = 1 + Math.floor(this.random() * (backend === "hugetlb" ? 8 : 1024));
    return pages * (backend === "hugetlb" ? hugeBytes : 4096);
  }

  #wish(name: string): UnitRequest {
    const dice = this.random();
    const node = dice > 0.97 ? 77 : this.pick(this.nodes);
    const object = `o${this.#next++}`;
    if (dice < 0.3) return { bytes: this.#size({ backend: "hugetlb" }), node, backend: "hugetlb" };
    if (dice < 0.55) return { bytes: this.#size({ backend: "hugetlb" }), node, backend: "hugetlb", object };
    if (dice < 0.62 && name === "c") return { node: this.nodes.at(-1), backend: "node" };
    return { bytes: this.#size({ backend: "tmpfs" }), node, pageBytes: 4096, object };
  }

  /** Makes it, and asserts that a refusal changes nothing. */
  async make(name: string, change: MemoryChange): Promise<void> {
    const before = this.#timed("facts", () => this.facts());
    const line = `${name} ${JSON.stringify(change)}`;
    this.#allow(name, change);
    if ("id" in change && this.unitsOf(name).some(({ id, object }) => id === change.id && object === undefined)) await this.#goesOn(name);
    try {
      await this.#timed("change", () => this.node.change((inventory, ledger) => [decideMemoryChange(inventory, ledger, name, change)]));
      this.done.changed++;
      this.story.push(line);
    } catch (error) {
      if (!(error instanceof NodeosError)) throw error;
      this.done.refused++;
      this.story.push(`${line}: ${error.message}`);
      const reason = error.message.replace(/^.*\n\s+/s, "").replace(/[\d.]+[KMG]iB|\d+/g, "#").slice(0, 110);
      this.refusals.set(reason, (this.refusals.get(reason) ?? 0) + 1);
      assert.deepEqual(this.facts(), before, `refused, and something is different: ${error.message}`);
    }
    this.#allow(name);
    await this.#timed("patterns", () => this.follow(name, change));
  }

  #timed<T>(what: keyof Trial["spent"], body: () => T): T {
    const from = performance.now();
    const note = () => {
      this.spent[what] += Math.round(performance.now() - from);
    };
    const result = body();
    if (result instanceof Promise) result.then(note, note);
    else note();
    return result;
  }

  /** What a refusal may not change. */
  facts(): unknown {
    const limits = names.flatMap((name) =>
      ["hugetlb.2MB.max", "hugetlb.2MB.rsvd.max", "cpuset.mems", "memory.max"].map((file) => {
        const path = `${cgroups}/nodeos-${name}/${file}`;
        return `${path}: ${kernel.tryRead(path)}`;
      })
    );
    const specs = names.map((name) => this.node.find(name).spec);
    return { specs, limits, pools: pools("nr_hugepages"), mounts: objectMounts(), files: this.#files() };
  }

  #files(): string[] {
    return names.flatMap((name) =>
      this.unitsOf(name).filter(({ object }) => object !== undefined).map((unit) => {
        const { size, blocks, uid, mode } = Deno.statSync(objectPath(name, unit));
        return `${objectPath(name, unit)} ${size} ${blocks} ${uid} ${mode}`;
      })
    );
  }

  /** The pattern of every object of a container is what it was, as far as it reaches; what is new is zero, and gets it. */
  async follow(name: string, change?: MemoryChange): Promise<void> {
    const there = new Set<string>();
    for (const unit of this.unitsOf(name).filter(({ object }) => object !== undefined)) {
      const path = objectPath(name, unit);
      there.add(path);
      const pages = unit.bytes / 4096;
      const known = this.objects.get(path) ?? { seed: this.#next++, pages: 0 };
      // What was cut off comes back in other frames.
      if (known.pages !== pages) this.#frames.delete(path);
      const kept = Math.min(known.pages, pages);
      // What was not touched by a change is looked at when all are.
      if (change === undefined || ("id" in change && change.id === unit.id) || kept < pages) {
        await this.inspector.check(path, known.seed, kept, `after ${JSON.stringify(change)}`);
      }
      if (kept < pages) await this.inspector.stamp(path, known.seed, kept, pages);
      this.objects.set(path, { ...known, pages });
    }
    for (const path of this.objects.keys()) {
      if (path.startsWith(`/run/nodeos/memory/${name}/`) && !there.has(path)) this.objects.delete(path);
    }
  }

  /** Starts the program that holds memory of a container. */
  start(name: string): void {
    const status = `/tmp/hold-${name}`;
    Deno.writeTextFileSync(status, "");
    const addEnv = { NODEOS_HOLD_OBJECTS: `/run/nodeos/memory/${name}` };
    this.#allow(name);
    this.programs.set(name, this.node.start(name, { argv: [memoryProbe, "hold", status], addEnv }));
  }

  /** Tells a program how many huge pages it may take on which node: it keeps to its units, as long as a change may last. */
  #allow(name: string, change?: MemoryChange): void {
    const heap = this.unitsOf(name).filter(({ backend, object }) => backend === "hugetlb" && object === undefined);
    const parts = heap.map((unit) => {
      const isLess = change !== undefined && "id" in change && change.id === unit.id;
      const bytes = isLess ? Math.min(unit.bytes, change.kind === "resize" ? change.bytes : 0) : unit.bytes;
      return `${unit.node}:${Math.floor(bytes / hugeBytes)}`;
    });
    // In one go: the program may read it at any moment.
    Deno.writeTextFileSync(`/tmp/hold-${name}.new`, parts.join(" "));
    Deno.renameSync(`/tmp/hold-${name}.new`, `/tmp/hold-${name}.max`);
  }

  /** Resolves when a program has gone on, and knows what it was told. */
  async #goesOn(name: string): Promise<void> {
    const rounds = () => Number(/^rounds (\d+)/.exec(Deno.readTextFileSync(`/tmp/hold-${name}`))?.[1] ?? 0);
    const from = rounds();
    while (rounds() < from + 4) {
      await delay(20);
      this.checkPrograms();
    }
  }

  /** Asserts that they all live, and have seen nothing wrong. */
  checkPrograms(): void {
    for (const [name, { pid }] of this.programs) {
      const status = Deno.readTextFileSync(`/tmp/hold-${name}`);
      assert.match(status, /^(?:rounds.* starved 0 |$)/, name);
      assert.doesNotMatch(kernel.tryRead(`/proc/${pid}/stat`) ?? "gone Z", /\) Z|^gone/, `the program in ${name} has ended: ${status}`);
    }
  }

  /** No frame in two hands, everything on its node, and the kernel's counts are those of the units. */
  async scan(withOutside: boolean): Promise<void> {
    const pids = [...this.programs.values()].map(({ pid }) => pid);
    // What moves while it is looked at would be seen twice.
    for (const pid of pids) Deno.kill(pid, "SIGSTOP");
    await delay(20);
    try {
      let found = await this.#look(withOutside);
      // The kernel may have moved a page in between.
      if (found.length > 0) found = await this.#look(withOutside);
      assert.deepEqual(found, []);
      for (const name of names) await this.follow(name);
      this.#checkCounts();
      this.done.scans++;
    } finally {
      for (const pid of pids) Deno.kill(pid, "SIGCONT");
    }
  }

  async #look(withOutside: boolean): Promise<string[]> {
    const owned: (Run & { owner: string })[] = [];
    const problems: string[] = [];
    for (const name of names) {
      for (const unit of this.unitsOf(name).filter(({ object }) => object !== undefined)) {
        const path = objectPath(name, unit);
        const runs = await this.inspector.frames(path);
        const count = runs.reduce((sum, run) => sum + run.count, 0);
        if (count !== unit.bytes / 4096) problems.push(`${path} has ${count} frames, not ${unit.bytes / 4096}`);
        const elsewhere = countElsewhere(runs, unit.nodes);
        if (elsewhere > 0) problems.push(`${elsewhere} frames of ${path} are not on node ${unit.nodes}`);
        owned.push(...runs.map((run) => ({ ...run, owner: `${name}:${path}` })));
        const key = JSON.stringify(runs);
        if ((this.#frames.get(path) ?? key) !== key) this.done.moved++;
        this.#frames.set(path, key);
      }
    }
    for (const [name, { pid }] of this.programs) owned.push(...await this.#mapped(pid, name));
    if (withOutside) {
      const ours = [this.inspector.pid, ...[...this.programs.values()].map(({ pid }) => pid)];
      for (const pid of listNumbered(kernel, "/proc", "").filter((pid) => !ours.includes(pid))) {
        owned.push(...(await this.#mapped(pid, "outside")).filter(({ owner }) => owner !== "files"));
      }
    }
    problems.push(...overlaps(owned), ...this.#wholeNodes(owned));
    return problems;
  }

  async #mapped(pid: number, name: string): Promise<(Run & { owner: string })[]> {
    return (await this.inspector.process(pid)).map(({ frame, count, kind, name: file }) => ({
      frame,
      count,
      owner: kind === "s" ? (file.startsWith("/run/nodeos/memory/") ? `${name}:${file}` : "files") : `${name}:${kind}`,
    }));
  }

  /** Who has a node as a whole has it alone, among containers. */
  #wholeNodes(owned: readonly (Run & { owner: string })[]): string[] {
    return names.flatMap((name) =>
      this.unitsOf(name).filter(({ backend }) => backend === "node").flatMap(({ nodes }) =>
        nodes.flatMap(nodeRuns).flatMap((zone) =>
          owned.filter(({ owner, frame, count }) =>
            /^[abc]:/.test(owner) && !owner.startsWith(`${name}:`) && frame < zone.frame + zone.count && frame + count > zone.frame
          ).map(({ owner, frame }) => `frame ${frame} of ${owner} is on node ${nodes}, which ${name} has as a whole`)
        )
      )
    ).slice(0, 8);
  }

  #checkCounts(): void {
    const all = names.flatMap((name) => this.unitsOf(name));
    for (const node of this.nodes) {
      const own = all.filter((unit) => unit.backend === "hugetlb" && unit.node === node);
      const pages = own.reduce((sum, { bytes }) => sum + bytes / hugeBytes, 0);
      assert.equal(pools("nr_hugepages")[`node${node} hugepages-2048kB`], pages, `huge pages of node ${node}`);
    }
    for (const name of names) {
      const units = this.unitsOf(name);
      const sum = (chosen: readonly Unit[]) => chosen.reduce((bytes, unit) => bytes + unit.bytes, 0);
      const huge = units.filter(({ backend, object }) => backend === "hugetlb" && object === undefined);
      const cgroup = `${cgroups}/nodeos-${name}`;
      if (huge.length > 0) {
        assert.equal(Number(read(`${cgroup}/hugetlb.2MB.max`)), sum(huge), `hugetlb.2MB.max of ${name}`);
        const current = Number(read(`${cgroup}/hugetlb.2MB.current`));
        assert.ok(current <= sum(huge), `hugetlb.2MB.current of ${name}: ${current}`);
      }
      const shared = units.filter(({ backend }) => backend === "tmpfs");
      if (shared.length === 0) continue;
      const counted = Number(/^shmem (\d+)/m.exec(read(`${cgroup}/memory.stat`))![1]);
      const slack = Math.abs(counted - sum(shared));
      // Counts of each CPU are added up now and then.
      assert.ok(slack <= 2 * mib, `shmem of ${name}: ${counted}, and objects have ${sum(shared)}`);
    }
    assert.deepEqual(this.node.verify().flatMap(({ drift }) => drift), []);
  }
}

/** Random changes while programs hold and write their memory. */
export function randomChangesTest(initial: (nodes: readonly number[]) => Record<typeof names[number], UnitRequest[]>): void {
  guestTest(`memory: ${rounds || "some"} random changes of three containers under load: no frame in two hands, nothing lost`, async () => {
    const nodes = memoryNodes();
    const seed = Number(Deno.env.get("NODEOS_MEMORY_SEED") ?? Date.now() % 1e6);
    console.log(`NODEOS_MEMORY_SEED=${seed} NODEOS_MEMORY_ROUNDS=${rounds}`);
    const free = readFree();
    const counts = memoryCounts();
    {
      await using inspector = new Inspector();
      const trial = new Trial(inspector, randomOf(seed), nodes);
      const units = initial(nodes);
      await trial.node.up({
        containers: names.map((name, index) => ({
          name,
          cpus: [[2, 3], [4, 5], [6, 7]][index],
          memory: { units: units[name], programs: "none" as const },
        })),
      }, "persistent");
      for (const name of names) {
        trial.start(name);
        await trial.follow(name);
      }
      await trial.scan(true);
      try {
        await trial.run();
      } catch (error) {
        console.log(`the last changes:\n  ${trial.story.slice(-12).join("\n  ")}`);
        throw error;
      }
      await trial.scan(true);
      console.log(`done: ${JSON.stringify(trial.done)}, ms ${JSON.stringify(trial.spent)}`);
      for (const [reason, count] of [...trial.refusals].sort(([, a], [, b]) => b - a)) console.log(`  refused ${count} times: ${reason}`);
      for (const name of names) console.log(`  ${name}: ${Deno.readTextFileSync(`/tmp/hold-${name}`).trim()}`);
      assert.ok(trial.done.changed > rounds / 3, "most changes are made");
      const { left } = await trial.node.down([], 0);
      assert.deepEqual(left, []);
      for (const program of trial.programs.values()) wait(program);
      for (const name of names) for (const end of ["", ".max"]) Deno.removeSync(`/tmp/hold-${name}${end}`);
    }
    await delay(500);
    assert.deepEqual(readFree(), free);
    const after = memoryCounts();
    const sharedMore = after.get("Shmem")! - counts.get("Shmem")!;
    const lostMore = unaccountedBytes(after) - unaccountedBytes(counts);
    console.log(`Shmem ${sharedMore / 1024} KiB more, unaccounted ${lostMore / 1024} KiB more; in MiB ${countsChanged(counts, after)}`);
    assert.ok(Math.abs(sharedMore) < mib, `Shmem: ${sharedMore} bytes more`);
    assert.ok(lostMore < lostBytesMax, `${lostMore} bytes are nowhere`);
  });
}
