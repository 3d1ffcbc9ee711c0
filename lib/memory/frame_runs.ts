/** Page frames in a row, by their number; frames are as large as the pages that are not huge. */
export interface FrameRun {
  /** The first frame. */
  readonly frame: number;
  /** How many there are. */
  readonly count: number;
}

/** Frames of runs together; one that is in two runs counts twice. */
export function countFrames(runs: readonly FrameRun[]): number {
  return runs.reduce((sum, { count }) => sum + count, 0);
}

/** The same frames, each once: ascending, runs that meet as one. */
export function mergeRuns(runs: readonly FrameRun[]): FrameRun[] {
  const merged: { frame: number; count: number }[] = [];
  for (const { frame, count } of runs.toSorted((a, b) => a.frame - b.frame)) {
    const last = merged.at(-1);
    if (last !== undefined && frame <= last.frame + last.count) last.count = Math.max(last.count, frame + count - last.frame);
    else if (count > 0) merged.push({ frame, count });
  }
  return merged;
}

/**
 * Frames that are in both.
 *
 * @param a Ascending, each frame once, as {@link mergeRuns} returns them.
 * @param b The same.
 */
export function commonRuns(a: readonly FrameRun[], b: readonly FrameRun[]): FrameRun[] {
  const common: FrameRun[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const [aEnd, bEnd] = [a[i].frame + a[i].count, b[j].frame + b[j].count];
    const [from, to] = [Math.max(a[i].frame, b[j].frame), Math.min(aEnd, bEnd)];
    if (from < to) common.push({ frame: from, count: to - from });
    if (aEnd <= bEnd) i++;
    else j++;
  }
  return common;
}

/**
 * Parts of one run that are in `a`: for many runs in no order, against one list.
 *
 * @param a Ascending, each frame once.
 */
export function partsIn(a: readonly FrameRun[], { frame, count }: FrameRun): FrameRun[] {
  let [low, high] = [0, a.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (a[middle].frame + a[middle].count <= frame) low = middle + 1;
    else high = middle;
  }
  const parts: FrameRun[] = [];
  for (; low < a.length && a[low].frame < frame + count; low++) {
    const from = Math.max(a[low].frame, frame);
    parts.push({ frame: from, count: Math.min(a[low].frame + a[low].count, frame + count) - from });
  }
  return parts;
}

/** Frames of `a` that are not in `b`; both ascending, each frame once. */
export function otherRuns(a: readonly FrameRun[], b: readonly FrameRun[]): FrameRun[] {
  const rest: FrameRun[] = [];
  let j = 0;
  for (const { frame, count } of a) {
    let at = frame;
    const end = frame + count;
    while (j < b.length && b[j].frame + b[j].count <= at) j++;
    for (let k = j; k < b.length && b[k].frame < end; k++) {
      if (b[k].frame > at) rest.push({ frame: at, count: b[k].frame - at });
      at = Math.max(at, b[k].frame + b[k].count);
    }
    if (at < end) rest.push({ frame: at, count: end - at });
  }
  return rest;
}

/** For people: `0x1000-0x11ff, 0x4000`, and how many more runs there are. */
export function formatRuns(runs: readonly FrameRun[], shown = 3): string {
  const hex = (frame: number) => `0x${frame.toString(16)}`;
  const parts = runs.slice(0, shown).map(({ frame, count }) => count === 1 ? hex(frame) : `${hex(frame)}-${hex(frame + count - 1)}`);
  return [...parts, ...(runs.length > shown ? [`${runs.length - shown} more runs`] : [])].join(", ") || "none";
}
