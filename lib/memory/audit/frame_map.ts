import { countFrames, type FrameRun, partsIn } from "../frame_runs.ts";

/** What the kernel says of page frames, in their order. */
export interface FrameFacts {
  /** Flags of each frame; `null` when the kernel does not say. */
  flags(run: FrameRun): BigUint64Array | null;
  /** Inode number of the memory cgroup that each frame is charged to, 0 for none; `null` when the kernel does not say. */
  owners(run: FrameRun): BigUint64Array | null;
}

/**
 * Who has a frame:
 * - `unit`: it is in a unit of a container.
 * - `spare`: it is free, on a node that a container has as a whole.
 * - `container`: it is of a container's programs, in no unit.
 * - `others`: it is of programs outside of containers, copies of their files among it.
 * - `pool`: a huge page that is reserved, and that nobody uses.
 * - `kernel`: the kernel's own.
 * - `free`: nobody's.
 */
export interface FrameHolder {
  /** See above. */
  readonly kind: "unit" | "spare" | "container" | "others" | "pool" | "kernel" | "free";
  /** Name of the container. */
  readonly container?: string;
}

/** Frames that units have, for whom they are. */
export interface HeldFrames {
  /** Name of the container. */
  readonly container: string;
  /** Its units' frames, ascending, each once; whole nodes left out. */
  readonly runs: readonly FrameRun[];
  /** NUMA nodes that it has as a whole. */
  readonly nodes: readonly number[];
  /** Inode number of its memory cgroup. */
  readonly cgroup: number | null;
}

/** A piece of a node, frames in a row. */
export interface FrameCell {
  /** The first frame. */
  readonly frame: number;
  /** Who has how many of them, in the order of {@link FrameMap.holders}. */
  readonly counts: readonly number[];
}

/** Which frames of a machine are whose. */
export interface FrameMap {
  /** Everybody who has some. */
  readonly holders: readonly FrameHolder[];
  /** Nodes, ascending, each in pieces of one size. */
  readonly nodes: readonly { readonly id: number; readonly cells: readonly FrameCell[]; readonly cellFrames: number }[];
  /** Frames that were looked at. */
  readonly lookedCount: number;
  /** Frames that there are. */
  readonly frameCount: number;
}

/** Bits of `/proc/kpageflags`. Source: Documentation/admin-guide/mm/pagemap.rst. */
const flag = { buddy: 1 << 10, anonymous: 1 << 12, head: 1 << 15, tail: 1 << 16, huge: 1 << 17, nopage: 1 << 20 } as const;
/** Read at once: 8 MiB. */
const chunkFrames = 2 ** 20;
/** Pieces that are looked at where a machine is too large to look at everything. */
const sampleFrames = 512;

/**
 * Draws a map of page frames.
 *
 * @param cellCount How many pieces a node has at most.
 * @param lookMax How many frames are looked at at most, of all nodes together; then every piece is sampled.
 */
export function mapFrames(
  facts: FrameFacts,
  nodeFrames: ReadonlyMap<number, readonly FrameRun[]>,
  held: readonly HeldFrames[],
  { cellCount = 512, lookMax = 2 ** 26 }: { cellCount?: number; lookMax?: number } = {},
): FrameMap {
  const holders: FrameHolder[] = [
    ...held.flatMap(({ container }): FrameHolder[] => [{ kind: "unit", container }, { kind: "spare", container }, {
      kind: "container",
      container,
    }]),
    ...(["others", "pool", "kernel", "free"] as const).map((kind) => ({ kind })),
  ];
  const frameCount = [...nodeFrames.values()].reduce((sum, runs) => sum + countFrames(runs), 0);
  let lookedCount = 0;
  const nodes = [...nodeFrames].sort(([a], [b]) => a - b).map(([id, runs]) => {
    const cellFrames = Math.max(1, Math.ceil(countFrames(runs) / cellCount));
    const sort = sorter(held, id, holders.length);
    const cells = cut(runs, cellFrames).map((parts): FrameCell => {
      const counts = new Array<number>(holders.length).fill(0);
      for (const run of parts.flatMap((part) => sample(part, Math.min(1, lookMax / frameCount)))) {
        for (let at = 0; at < run.count; at += chunkFrames) {
          const chunk = { frame: run.frame + at, count: Math.min(chunkFrames, run.count - at) };
          lookedCount += chunk.count;
          sort(chunk, words(facts.flags(chunk), chunk.count), words(facts.owners(chunk), chunk.count), counts);
        }
      }
      return { frame: parts[0].frame, counts };
    });
    return { id, cells, cellFrames };
  });
  return { holders, nodes, lookedCount, frameCount };
}

/** Counts the frames of a chunk by holder. Flags and inode numbers fit into the lower half of their words. */
function sorter(held: readonly HeldFrames[], node: number, holderCount: number) {
  const [others, pool, kernel, free] = [4, 3, 2, 1].map((back) => holderCount - back);
  const byCgroup = new Map(held.flatMap(({ cgroup }, index) => cgroup === null ? [] : [[cgroup, 3 * index] as const]));
  const ownersOf = ownerTracker();
  const whole = held.findIndex(({ nodes }) => nodes.includes(node));
  return (chunk: FrameRun, flags: Uint32Array, owners: Uint32Array, counts: number[]): void => {
    const isHeld = new Uint8Array(chunk.count);
    held.forEach(({ runs }, index) => {
      for (const { frame, count } of partsIn(runs, chunk)) {
        counts[3 * index] += count;
        isHeld.fill(1, frame - chunk.frame, frame - chunk.frame + count);
      }
    });
    const ownerAt = ownersOf(chunk, flags, owners);
    for (let at = 0; at < chunk.count; at++) {
      const bits = flags[2 * at];
      const owner = ownerAt(at);
      if (isHeld[at]) continue;
      if (bits & flag.nopage) continue;
      if (bits & flag.buddy) counts[whole >= 0 ? 3 * whole + 1 : free]++;
      else if (bits & flag.huge) counts[pool]++;
      else if (owner === 0) counts[kernel]++;
      else {
        const own = byCgroup.get(owner);
        // On a node of its own, a container's memory lies in its unit.
        if (own === undefined) counts[others]++;
        else counts[own === 3 * whole ? own : own + 2]++;
      }
    }
  };
}

/**
 * Tells who has each frame, asked for one after the other. Of a page of several frames, older kernels (6.1) name the owner of
 * the first one only.
 */
function ownerTracker(): (chunk: FrameRun, flags: Uint32Array, owners: Uint32Array) => (at: number) => number {
  let [first, end] = [0, 0];
  return (chunk, flags, owners) => {
    // Where frames were left out, nothing is known of a page that began there.
    if (chunk.frame !== end) first = 0;
    end = chunk.frame + chunk.count;
    return (at) => {
      const owner = owners[2 * at];
      if (flags[2 * at] & flag.head) first = owner;
      return owner === 0 && flags[2 * at] & flag.tail ? first : owner;
    };
  };
}

function words(values: BigUint64Array | null, count: number): Uint32Array {
  return values === null ? new Uint32Array(2 * count) : new Uint32Array(values.buffer, values.byteOffset, 2 * values.length);
}

/** Cuts runs into pieces of one size; a piece may lie on both sides of a gap. */
function cut(runs: readonly FrameRun[], size: number): FrameRun[][] {
  const cells: FrameRun[][] = [];
  let room = 0;
  for (const { frame, count } of runs) {
    for (let at = 0; at < count;) {
      if (room === 0) {
        cells.push([]);
        room = size;
      }
      const part = Math.min(room, count - at);
      cells.at(-1)!.push({ frame: frame + at, count: part });
      at += part;
      room -= part;
    }
  }
  return cells;
}

/** Short pieces of a run, evenly spread. */
function sample({ frame, count }: FrameRun, share: number): FrameRun[] {
  if (share >= 1) return [{ frame, count }];
  const pieces = Math.max(1, Math.floor(count * share / sampleFrames));
  const step = count / pieces;
  return Array.from({ length: pieces }, (_, index) => ({
    frame: frame + Math.floor(index * step),
    count: Math.min(sampleFrames, Math.ceil(step)),
  }));
}

/** Frames of runs by the memory cgroup that they are charged to: memory of programs, and everything else. */
export function countOwners(
  facts: FrameFacts,
  runs: readonly FrameRun[],
): ReadonlyMap<number, { readonly anonymousCount: number; readonly otherCount: number }> {
  const counts = new Map<number, { anonymousCount: number; otherCount: number }>();
  const ownersOf = ownerTracker();
  for (const run of runs) {
    for (let at = 0; at < run.count; at += chunkFrames) {
      const chunk = { frame: run.frame + at, count: Math.min(chunkFrames, run.count - at) };
      const owners = facts.owners(chunk);
      if (owners === null) continue;
      const flags = words(facts.flags(chunk), chunk.count);
      const ownerAt = ownersOf(chunk, flags, words(owners, chunk.count));
      for (let index = 0; index < owners.length; index++) {
        const id = ownerAt(index);
        let entry = counts.get(id);
        if (entry === undefined) counts.set(id, entry = { anonymousCount: 0, otherCount: 0 });
        if (flags[2 * index] & flag.anonymous) entry.anonymousCount++;
        else entry.otherCount++;
      }
    }
  }
  return counts;
}
