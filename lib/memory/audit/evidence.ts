import { commonRuns, countFrames, type FrameRun, mergeRuns, otherRuns, partsIn } from "../frame_runs.ts";
import { objectPath } from "../objects.ts";
import type { OwnMemory, Unit } from "../unit.ts";

/** Page frames of one process, by what they are. */
export interface ProcessRun extends FrameRun {
  /** Memory of its own, a huge page of a pool, a copy of a file, or shared memory. */
  readonly kind: "anonymous" | "huge" | "file" | "shared";
}

/** Where page frames are looked up. */
export interface FrameReader {
  /** Frames of a file in memory, ascending; `null` when it is not there. */
  fileFrames(path: string): readonly FrameRun[] | null;
  /** Frames of a device over memory that the kernel never had. */
  deviceFrames(device: string): readonly FrameRun[] | null;
  /** Frames that a process has mapped, one run for each time; `[]` when it has ended, `hidden` when nobody may look at it. */
  processFrames(pid: number): readonly ProcessRun[] | "hidden";
  /** How often the frames of a run are mapped, all together; `null` when the kernel does not say. */
  countMappings(run: FrameRun): number | null;
  /** How many frames of runs each memory cgroup has, by its inode number, 0 being none; empty when the kernel does not say. */
  countOwners(runs: readonly FrameRun[]): ReadonlyMap<number, { readonly anonymousCount: number; readonly otherCount: number }>;
}

/** A container whose memory is looked at. */
export interface AuditedContainer {
  /** Its name. */
  readonly name: string;
  /** Memory for itself; absent when it shares what there is. */
  readonly memory?: OwnMemory;
  /** Its processes. */
  readonly pids: readonly number[];
  /** Inode number of its memory cgroup; `null` when it has none. */
  readonly cgroup: number | null;
}

/** A process outside of the unit's container, with frames of it. */
export interface Intruder {
  /** Its number. */
  readonly pid: number;
  /** Its container; `null` when it is in none. */
  readonly container: string | null;
  /** The frames. */
  readonly runs: readonly FrameRun[];
}

/** The page frames of one unit, and who else has some of them. */
export interface UnitEvidence {
  /** Whose it is. */
  readonly container: string;
  /** What it is. */
  readonly unit: Unit;
  /** Path of the object; `null` for memory of programs. */
  readonly path: string | null;
  /** Its frames, ascending, each once; of a whole node those that its programs have of their own. */
  readonly runs: readonly FrameRun[];
  /** Processes of others that have mapped some of them. */
  readonly intruders: readonly Intruder[];
  /** How often processes that were looked at have mapped them, all together. */
  readonly foundMappings: number;
  /** How often they are mapped as the kernel counts it; `null` when it does not say. */
  readonly countedMappings: number | null;
  /** Frames by the memory cgroup that they are charged to; empty where the kernel charges none (huge pages, devices). */
  readonly charged: ReadonlyMap<number, number>;
}

/** Frames of a whole node that a unit has, by the memory cgroup that they are charged to. */
export interface NodeEvidence {
  /** Whose node it is. */
  readonly container: string;
  /** The unit. */
  readonly unit: Unit;
  /** The NUMA node. */
  readonly node: number;
  /** Frames by cgroup: memory of programs, and copies of files and the like; 0 is the kernel itself, or nobody. */
  readonly owners: ReadonlyMap<number, { readonly anonymousCount: number; readonly otherCount: number }>;
}

/** Memory of a container's own programs that lies in no unit. */
export interface OutsideEvidence {
  /** Which container. */
  readonly container: string;
  /** Anonymous frames in none of its units. */
  readonly anonymousCount: number;
  /** Frames of programs, anonymous and huge, in its units. */
  readonly unitCount: number;
  /** Huge pages in none of its units, ascending. */
  readonly strayRuns: readonly FrameRun[];
}

/** What was found, and what was looked at. */
export interface Evidence {
  /** Frames of every unit that has any of its own. */
  readonly units: readonly UnitEvidence[];
  /** Whole nodes. */
  readonly nodes: readonly NodeEvidence[];
  /** Memory of programs in no unit. */
  readonly outside: readonly OutsideEvidence[];
  /** Processes of containers that were looked at. */
  readonly insideCount: number;
  /** Other processes that were looked at. */
  readonly outsideCount: number;
  /** Processes that nobody may look at, root included. */
  readonly hiddenCount: number;
  /** Frames of processes that were looked at, all together. */
  readonly frameCount: number;
}

/**
 * Gathers page frames: of objects from their files, of programs' memory from their page tables. Every process of the
 * machine is looked at, and of those outside only what they share with a unit is kept.
 *
 * @param others Processes in no container.
 * @param nodeFrames Which frames are of which NUMA node.
 * @param basePageBytes Size of a frame.
 */
export function gatherEvidence(
  reader: FrameReader,
  containers: readonly AuditedContainer[],
  others: readonly number[],
  nodeFrames: ReadonlyMap<number, readonly FrameRun[]>,
  basePageBytes: number,
): Evidence {
  let hiddenCount = 0;
  const framesOf = (pid: number): readonly ProcessRun[] => {
    const runs = reader.processFrames(pid);
    if (runs !== "hidden") return runs;
    hiddenCount++;
    return [];
  };
  const processes = containers.map(({ pids }) => pids.map((pid) => ({ pid, runs: framesOf(pid) })));
  const drafts = containers.flatMap((container, index) =>
    draftUnits(reader, container, processes[index].flatMap(({ runs }) => runs), nodeFrames, basePageBytes)
  );
  const isSeen = ({ unit }: Draft) => unit.backend !== "node";
  const found = new Map<Draft, { intruders: Intruder[]; mappings: number }>(drafts.map((draft) => [draft, { intruders: [], mappings: 0 }]));
  const exclusive = mergeRuns(drafts.filter(isSeen).flatMap(({ runs }) => runs));
  let frameCount = 0;
  const look = (pid: number, container: string | null, runs: readonly ProcessRun[]) => {
    frameCount += countFrames(runs);
    if (commonRuns(exclusive, mergeRuns(runs)).length === 0) return;
    for (const draft of drafts.filter(isSeen)) {
      // A process may have a frame mapped twice, and the kernel counts both.
      const common = runs.flatMap((run) => partsIn(draft.runs, run));
      if (common.length === 0) continue;
      const entry = found.get(draft)!;
      entry.mappings += countFrames(common);
      if (container !== draft.container) entry.intruders.push({ pid, container, runs: mergeRuns(common) });
    }
  };
  containers.forEach(({ name }, index) => processes[index].forEach(({ pid, runs }) => look(pid, name, runs)));
  let outsideCount = 0;
  for (const pid of others) {
    const runs = framesOf(pid);
    // Threads of the kernel have none, nor has who ended.
    if (runs.length > 0) outsideCount++;
    look(pid, null, runs);
  }
  return {
    units: drafts.filter(isSeen).map((draft) => finish(reader, draft, found.get(draft)!)),
    nodes: containers.flatMap(({ name, memory }) => nodesOf(reader, name, memory, nodeFrames)),
    outside: containers.flatMap(({ name, memory }, index) =>
      memory === undefined ? [] : [outsideOf(name, processes[index].flatMap(({ runs }) => runs), drafts)]
    ),
    insideCount: processes.flat().length,
    outsideCount,
    hiddenCount,
    frameCount,
  };
}

type Draft = Pick<UnitEvidence, "container" | "unit" | "path" | "runs">;

function draftUnits(
  reader: FrameReader,
  { name, memory }: AuditedContainer,
  runs: readonly ProcessRun[],
  nodeFrames: ReadonlyMap<number, readonly FrameRun[]>,
  basePageBytes: number,
): Draft[] {
  const units = memory?.units ?? [];
  const objects = units.filter(({ object }) => object !== undefined).map((unit): Draft => {
    const path = objectPath(name, unit);
    const frames = unit.device === undefined ? reader.fileFrames(path) : reader.deviceFrames(unit.device);
    return { container: name, unit, path, runs: mergeRuns(frames ?? []) };
  });
  const taken = mergeRuns(objects.flatMap((draft) => draft.runs));
  const ofObjects = new Set(runs.filter((run) => partsIn(taken, run).length > 0));
  const heap = units.filter(({ object, backend }) => object === undefined && backend !== "limit").map((unit): Draft => {
    const within = mergeRuns(unit.nodes.flatMap((node) => nodeFrames.get(node) ?? []));
    const own = runs.filter((run) => !ofObjects.has(run) && isOf(unit, units, run, basePageBytes));
    // Where it should not be it is not taken for another unit's: that is what the audit is about.
    return { container: name, unit, path: null, runs: unit.backend === "node" ? within : commonRuns(mergeRuns(own), within) };
  });
  return [...objects, ...heap];
}

/** Huge pages of two sizes on one node are told apart by how they lie. */
function isOf(unit: Unit, units: readonly Unit[], run: ProcessRun, basePageBytes: number): boolean {
  if (unit.backend !== "hugetlb" || run.kind !== "huge") return false;
  const sizes = units.filter(({ backend, object, node }) => backend === "hugetlb" && object === undefined && node === unit.node)
    .map(({ pageBytes }) => pageBytes / basePageBytes).sort((a, b) => b - a);
  const size = sizes.find((frames) => run.frame % frames === 0 && run.count % frames === 0) ?? sizes.at(-1);
  return size === unit.pageBytes / basePageBytes;
}

function finish(reader: FrameReader, draft: Draft, { intruders, mappings }: { intruders: Intruder[]; mappings: number }): UnitEvidence {
  const counts = draft.unit.backend === "devdax" ? [null] : draft.runs.map((run) => reader.countMappings(run));
  const countedMappings = counts.includes(null) ? null : counts.reduce<number>((sum, count) => sum + count!, 0);
  const charged = new Map<number, number>();
  if (draft.unit.backend === "tmpfs") {
    for (const [id, { anonymousCount, otherCount }] of reader.countOwners(draft.runs)) charged.set(id, anonymousCount + otherCount);
  }
  return { ...draft, intruders, foundMappings: mappings, countedMappings, charged };
}

function nodesOf(
  reader: FrameReader,
  container: string,
  memory: OwnMemory | undefined,
  nodeFrames: ReadonlyMap<number, readonly FrameRun[]>,
): NodeEvidence[] {
  return (memory?.units ?? []).filter(({ backend }) => backend === "node").flatMap((unit) =>
    unit.nodes.map((node): NodeEvidence => ({ container, unit, node, owners: reader.countOwners(nodeFrames.get(node) ?? []) }))
  );
}

function outsideOf(container: string, runs: readonly ProcessRun[], drafts: readonly Draft[]): OutsideEvidence {
  const own = mergeRuns(drafts.filter((draft) => draft.container === container).flatMap((draft) => draft.runs));
  // A page that a parent and its child have together is one.
  const anonymous = mergeRuns(runs.filter(({ kind }) => kind === "anonymous"));
  const huge = mergeRuns(runs.filter(({ kind }) => kind === "huge"));
  const unitCount = countFrames(commonRuns(own, anonymous)) + countFrames(commonRuns(own, huge));
  return { container, anonymousCount: countFrames(otherRuns(anonymous, own)), unitCount, strayRuns: otherRuns(huge, own) };
}
