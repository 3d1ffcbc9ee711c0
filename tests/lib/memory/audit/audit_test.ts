import assert from "node:assert/strict";
import { audit } from "../../../../lib/memory/audit/audit.ts";
import type { AuditScene, Finding, KernelCounts } from "../../../../lib/memory/audit/finding.ts";
import type { PoolCensus } from "../../../../lib/memory/census.ts";
import { type AuditedContainer, type FrameReader, gatherEvidence, type ProcessRun } from "../../../../lib/memory/audit/evidence.ts";
import { type FrameRun, mergeRuns } from "../../../../lib/memory/frame_runs.ts";
import type { Unit } from "../../../../lib/memory/unit.ts";
import { MiB } from "../machines.ts";

/** Two nodes of 1 GiB: frames 0 to 262143, and as many behind them. */
const nodeFrames = new Map([[0, [{ frame: 0, count: 262144 }]], [1, [{ frame: 262144, count: 262144 }]]]);
const node1 = 262144;

const halo: Unit = { id: "halo", backend: "tmpfs", node: 0, nodes: [0], bytes: 16 * 4096, pageBytes: 4096, object: "halo" };
const huge: Unit = { id: "node1", backend: "hugetlb", node: 1, nodes: [1], bytes: 4 * MiB, pageBytes: 2 * MiB };
const whole: Unit = { id: "node1", backend: "node", node: 1, nodes: [1], bytes: 1024 * MiB, pageBytes: 4096 };
const limit: Unit = { id: "limit", backend: "limit", node: -1, nodes: [], bytes: 8 * MiB, pageBytes: 4096 };

/** A machine made up for one test. */
interface Made {
  readonly containers: Readonly<Record<string, { units: readonly Unit[]; pids: readonly number[]; cgroup?: number }>>;
  readonly others?: readonly number[];
  readonly files?: Readonly<Record<string, readonly FrameRun[]>>;
  readonly processes?: Readonly<Record<number, readonly ProcessRun[] | "hidden">>;
  /** How often every frame is mapped; as often as processes map it when absent. */
  readonly mappings?: number;
  readonly owners?: readonly { run: FrameRun; cgroup: number; anonymous: boolean }[];
  readonly counts?: Readonly<Record<string, KernelCounts>>;
  readonly openNodes?: readonly number[];
  /** Pages of 2 MiB on node 1: all, and those that strangers use; each container has 2. */
  readonly pool?: readonly [totalCount: number, strangersCount: number];
}

function run(frame: number, count: number, kind: ProcessRun["kind"] = "anonymous"): ProcessRun {
  return { frame, count, kind };
}

function readerOf({ files = {}, processes = {}, owners = [], mappings }: Made): FrameReader {
  const mapped = Object.values(processes).flatMap((runs) => runs === "hidden" ? [] : runs);
  const overlap = (a: FrameRun, b: FrameRun) => Math.max(0, Math.min(a.frame + a.count, b.frame + b.count) - Math.max(a.frame, b.frame));
  return {
    fileFrames: (path) => files[path] ?? null,
    deviceFrames: () => [{ frame: 1_000_000, count: 512 }],
    processFrames: (pid) => processes[pid] ?? [],
    countMappings: (part) => mappings ?? mapped.reduce((sum, other) => sum + overlap(part, other), 0),
    countOwners(runs) {
      const counts = new Map<number, { anonymousCount: number; otherCount: number }>();
      for (const { run, cgroup, anonymous } of owners) {
        const count = runs.reduce((sum, part) => sum + overlap(part, run), 0);
        const known = counts.get(cgroup) ?? { anonymousCount: 0, otherCount: 0 };
        counts.set(cgroup, {
          anonymousCount: known.anonymousCount + (anonymous ? count : 0),
          otherCount: known.otherCount + (anonymous ? 0 : count),
        });
      }
      return counts;
    },
  };
}

function findings(made: Made): Finding[] {
  const containers = Object.entries(made.containers).map(([name, { units, pids, cgroup = null }]): AuditedContainer => ({
    name,
    pids,
    cgroup,
    memory: { units, policy: "bind", programs: "preload", owner: { uid: 0, gid: 0 } },
  }));
  const scene: AuditScene = {
    containers,
    counts: new Map(Object.entries(made.counts ?? {})),
    nodeFrames,
    basePageBytes: 4096,
    cgroupNames: new Map([[1, "the root cgroup"]]),
    nodes: [0, 1].map((id) => ({ id, isOpen: made.openNodes?.includes(id) ?? false, pools: id === 1 && made.pool ? [poolOf(made)] : [] })),
  };
  return audit(gatherEvidence(readerOf(made), containers, made.others ?? [], nodeFrames, 4096), scene);
}

function poolOf({ pool: [totalCount, strangersCount] = [0, 0], containers }: Made): PoolCensus {
  const owners = Object.keys(containers).map((name) => ({ name, count: 2 }));
  return { pageBytes: 2 * MiB, totalCount, freeCount: 0, usedCount: 0, strangersCount, owners, overdrawn: [] };
}

const bad = (made: Made) =>
  findings(made).filter(({ verdict }) => verdict !== "holds").map(({ container, unit, question, verdict, message }) =>
    `${container} ${unit} ${question} ${verdict}: ${message}`
  );
const haloPath = (name: string) => `/run/nodeos/memory/${name}/4KiB-node0/halo`;

Deno.test("audit() of objects that nobody shares holds, whatever their own programs map", () => {
  const made: Made = {
    containers: { sim: { units: [halo], pids: [10, 11], cgroup: 7 }, viz: { units: [halo], pids: [] } },
    others: [1],
    files: { [haloPath("sim")]: [run(100, 16)], [haloPath("viz")]: [run(200, 8), run(300, 8)] },
    processes: {
      10: [run(100, 16, "shared"), run(5000, 3)],
      11: [run(100, 4, "shared"), run(102, 1, "shared")],
      1: [run(5000, 9, "file")],
    },
    owners: [{ run: run(100, 16), cgroup: 7, anonymous: false }],
  };
  assert.deepEqual(bad(made), []);
  const questions = findings(made).filter(({ container }) => container === "sim").map(({ question }) => question);
  assert.deepEqual(questions, ["whole", "placed", "apart", "alone", "counted"]);
  // Two runs of one process on the same frame count twice, as the kernel does.
  assert.match(findings(made).find(({ question }) => question === "alone")!.message, /mapped 21 times/);
});

Deno.test("audit() finds a frame in two hands: of another unit, of a stranger, of somebody whom it did not see", () => {
  const files = { [haloPath("sim")]: [run(100, 16)], [haloPath("viz")]: [run(110, 16)] };
  const containers = { sim: { units: [halo], pids: [10] }, viz: { units: [halo], pids: [] } };
  assert.deepEqual(bad({ containers, files }), [
    "sim halo apart fails: 6 frames are in halo of viz as well: 0x6e-0x73",
    "viz halo apart fails: 6 frames are in halo of sim as well: 0x6e-0x73",
  ]);
  const apart = { ...files, [haloPath("viz")]: [run(200, 16)] };
  assert.deepEqual(
    bad({ containers, files: apart, others: [99], processes: { 99: [run(90, 11, "shared")], 10: [run(200, 1, "shared")] } }),
    [
      "sim halo alone fails: process 99 of no container has 1 frame",
      "viz halo alone fails: process 10 of container sim has 1 frame",
    ],
  );
  assert.deepEqual(
    bad({ containers, files: { ...apart, [haloPath("viz")]: [run(200, 16)] }, others: [3], processes: { 3: "hidden" }, mappings: 2 }),
    [
      "sim halo alone fails: its frames are mapped 2 times, and the processes that were looked at map them 0 times",
      "viz halo alone fails: its frames are mapped 2 times, and the processes that were looked at map them 0 times",
    ],
  );
});

Deno.test("audit() finds an object that is not wholly there, lies elsewhere, or is charged to somebody else", () => {
  const containers = { sim: { units: [halo], pids: [], cgroup: 7 } };
  const files = { [haloPath("sim")]: [run(262140, 8)] };
  const owners = [{ run: run(262140, 6), cgroup: 7, anonymous: false }, { run: run(262146, 2), cgroup: 1, anonymous: false }];
  assert.deepEqual(bad({ containers, files, owners }), [
    "sim halo whole fails: 32KiB of 64KiB are there",
    "sim halo placed fails: 4 frames lie elsewhere: 0x40000-0x40003",
    "sim halo counted fails: 2 frames are charged to the root cgroup",
  ]);
  assert.deepEqual(bad({ containers }), ["sim halo whole fails: 0B of 64KiB are there"]);
});

const hugeCounts = (bytes: number, maxBytes: number | null = 4 * MiB): KernelCounts => ({
  huge: [{
    pageBytes: 2 * MiB,
    currentBytes: bytes,
    maxBytes,
    reservedBytes: 4 * MiB,
    reservedMaxBytes: maxBytes,
    bytesByNode: new Map([[0, 0], [1, bytes]]),
  }],
  memory: null,
});

Deno.test("audit() compares huge pages of programs with what the kernel counts, and with its limit", () => {
  const containers = { sim: { units: [huge], pids: [10] } };
  const processes = { 10: [run(node1, 512, "huge"), run(900, 20)] };
  assert.deepEqual(bad({ containers, processes, counts: { sim: hugeCounts(2 * MiB) } }), []);
  assert.deepEqual(bad({ containers, processes, counts: { sim: hugeCounts(4 * MiB) } }), [
    "sim null counted unknown: the kernel counts 4MiB of huge pages of 2MiB on node 1, and 2MiB were found; the rest is mapped by nobody",
  ]);
  assert.deepEqual(bad({ containers, processes, counts: { sim: hugeCounts(0) } }), [
    "sim null counted fails: the kernel counts 0B of huge pages of 2MiB on node 1, and 2MiB were found",
  ]);
  assert.deepEqual(bad({ containers, processes, counts: { sim: hugeCounts(2 * MiB, null) } }), [
    "sim null bounded fails: it may have no limit of huge pages of 2MiB, and be promised no limit; its units have 4MiB",
  ]);
});

Deno.test("audit() finds huge pages where a container has none, and in two containers", () => {
  const containers = { sim: { units: [huge], pids: [10] }, viz: { units: [huge], pids: [20] } };
  assert.deepEqual(bad({ containers, processes: { 10: [run(512, 512, "huge")], 20: [] } }), [
    "sim null placed fails: 2MiB of huge pages lie in none of its units: 0x200-0x3ff",
  ]);
  const messages = bad({ containers, processes: { 10: [run(node1, 512, "huge")], 20: [run(node1, 512, "huge")] } });
  assert.equal(messages.filter((message) => / apart fails/.test(message)).length, 2);
  assert.equal(messages.filter((message) => / alone fails: process (?:10|20) of container/.test(message)).length, 2);
});

Deno.test("audit() finds a container that has more huge pages of a node than its units there", () => {
  const containers = { sim: { units: [huge, { ...huge, id: "node0", node: 0, nodes: [0], bytes: 2 * MiB }], pids: [] } };
  const kept = (used: readonly (readonly [node: number, bytes: number])[]) =>
    findings({
      containers,
      counts: { sim: { ...hugeCounts(0, 6 * MiB), huge: [{ ...hugeCounts(0, 6 * MiB).huge[0], bytesByNode: new Map(used) }] } },
    })
      .filter(({ question }) => question === "kept").map(({ verdict, message }) => `${verdict}: ${message}`);
  const own = "2MiB of huge pages of 2MiB on node 0, where its units have 2MiB";
  assert.deepEqual(kept([[0, 2 * MiB]]), [`holds: ${own}; 0B of huge pages of 2MiB on node 1, where its units have 4MiB`]);
  assert.deepEqual(kept([[0, 4 * MiB], [1, 2 * MiB]]), ["fails: 4MiB of huge pages of 2MiB on node 0, where its units have 2MiB"]);
  assert.deepEqual(kept([[1, 4 * MiB], [3, 2 * MiB]]), ["fails: 2MiB of huge pages of 2MiB on node 3, where its units have 0B"]);
});

Deno.test("audit() finds a pool that has fewer pages than units of it", () => {
  const containers = { sim: { units: [huge], pids: [] }, viz: { units: [huge], pids: [] } };
  assert.deepEqual(bad({ containers, pool: [7, 3] }), []);
  assert.deepEqual(
    bad({ containers, pool: [6, 3] }),
    ["sim", "viz"].map((name) => `${name} node1 backed fails: 6 pages, 4 of units and 3 used by programs outside of containers`),
  );
});

Deno.test("audit() finds a unit of another container on a whole node", () => {
  const containers = { sim: { units: [whole], pids: [], cgroup: 7 }, viz: { units: [halo], pids: [] } };
  const owners = [{ run: run(node1, 1), cgroup: 7, anonymous: true }];
  assert.deepEqual(bad({ containers, owners, files: { [haloPath("viz")]: [run(node1 + 8, 16)] } }), [
    "sim node1 alone fails: unit halo of viz has 16 frames on node 1",
    "viz halo placed fails: 16 frames lie elsewhere: 0x40008-0x40017",
  ]);
});

Deno.test("audit() of a whole node: neighbours fail, strangers where something keeps them off, the kernel never", () => {
  const made = (anonymous: boolean, cgroup: number, openNodes: number[] = []): Made => ({
    containers: { sim: { units: [whole], pids: [10], cgroup: 7 }, viz: { units: [], pids: [], cgroup: 8 } },
    processes: { 10: [run(node1 + 5, 10)] },
    owners: [{ run: run(node1 + 5, 10), cgroup: 7, anonymous: true }, { run: run(node1 + 50, 4), cgroup, anonymous }],
    openNodes,
  });
  assert.deepEqual(bad(made(true, 0)), []);
  assert.deepEqual(bad(made(false, 1)), []);
  assert.deepEqual(bad(made(true, 8, [1])), ["sim node1 alone fails: container viz has 16KiB on node 1"]);
  assert.deepEqual(bad(made(true, 1)), [
    "sim node1 alone fails: programs outside of containers have 16KiB on node 1 (the root cgroup 16KiB)",
  ]);
  assert.deepEqual(bad(made(true, 1, [1])), [
    "sim node1 alone unknown: programs outside of containers have 16KiB on node 1 (the root cgroup 16KiB); the feature tasks moves them",
  ]);
});

Deno.test("audit() finds memory of programs that lies outside of the whole node they have", () => {
  const containers = { sim: { units: [whole], pids: [10], cgroup: 7 } };
  const owners = [{ run: run(node1, 1), cgroup: 7, anonymous: true }];
  assert.deepEqual(bad({ containers, owners, processes: { 10: [run(5, 2), run(node1, 1), run(9, 50, "file")] } }), [
    "sim node1 placed fails: 8KiB of its programs' memory lie in no unit",
  ]);
});

Deno.test("audit() of a limit asks the kernel for it, and knows no frames", () => {
  const memory = (currentBytes: number, maxBytes: number | null): KernelCounts => ({
    huge: [],
    memory: { currentBytes, maxBytes, anonymousBytes: 0, fileBytes: 0, sharedBytes: 0 },
  });
  const containers = { sim: { units: [limit], pids: [] } };
  assert.deepEqual(bad({ containers, counts: { sim: memory(MiB, 8 * MiB) } }), []);
  assert.deepEqual(bad({ containers, counts: { sim: memory(MiB, null) } }), [
    "sim limit bounded fails: 1MiB of no limit; it has no frames of its own",
  ]);
  assert.deepEqual(bad({ containers }), ["sim limit bounded unknown: nobody counts its memory"]);
});

Deno.test("gatherEvidence() tells pages of 1 GiB from those of 2 MiB on the same node, and what lies in no unit", () => {
  const giant: Unit = { ...huge, id: "node1:1GiB", pageBytes: 1024 * MiB, bytes: 1024 * MiB };
  const frames = 262144;
  const wide = new Map([[0, [{ frame: 0, count: frames }]], [1, [{ frame: frames, count: 3 * frames }]]]);
  const sim: AuditedContainer = {
    name: "sim",
    pids: [10],
    cgroup: null,
    memory: { units: [huge, giant], policy: "bind", programs: "none", owner: { uid: 0, gid: 0 } },
  };
  const reader = readerOf({
    containers: {},
    processes: { 10: [run(frames, frames, "huge"), run(2 * frames + 512, 1024, "huge"), run(7, 3)] },
  });
  const { units, outside } = gatherEvidence(reader, [sim], [], wide, 4096);
  assert.deepEqual(units.map(({ unit, runs }) => [unit.id, runs]), [
    ["node1", [{ frame: 2 * frames + 512, count: 1024 }]],
    ["node1:1GiB", [{ frame: frames, count: frames }]],
  ]);
  assert.deepEqual(outside, [{ container: "sim", anonymousCount: 3, unitCount: frames + 1024, strayRuns: [] }]);
  assert.deepEqual(mergeRuns(units.flatMap(({ runs }) => runs)).length, 2);
});
