import { RefusedError, UsageError } from "../../errors.ts";
import type { Trace, TraceColumn } from "../trace/trace.ts";

/** A part of a run: a phase of a program. */
export interface TauRegion {
  /** As it shall stand in the profile; several with one name are one function that was called as often. */
  readonly name: string;
  /** Time since the start of the trace. */
  readonly startSeconds: number;
  /** Time since the start of the trace. */
  readonly endSeconds: number;
  /**
   * What TAU groups it under.
   * @default {"TAU_USER"}
   */
  readonly group?: string;
}

/** What a profile is of, and where it lies among those of other processes. */
export interface TauOptions {
  /** Parts of the run; one may lie in another, but not half. */
  readonly regions?: readonly TauRegion[];
  /**
   * Number of the process, such as its rank.
   * @default {0}
   */
  readonly node?: number;
  /**
   * Number of the context in it; most programs have one.
   * @default {0}
   */
  readonly context?: number;
  /**
   * Number of the thread in it.
   * @default {0}
   */
  readonly thread?: number;
  /** More facts about the run, by name. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Writes a profile for time and one for the energy of each column of power, in directories with the names `MULTI__METRIC`. */
  readonly isMultiple?: boolean;
}

/** A region in its place among the others. */
interface Frame extends Required<TauRegion> {
  readonly parent: Frame | null;
  readonly children: Frame[];
}

/** What a profile is about, such as time: an amount for each span of it. */
interface Metric {
  readonly name: string;
  readonly amount: (startSeconds: number, endSeconds: number) => number;
}

/** What TAU itself calls the whole of a program. */
const wholeName = ".TAU application";
const time: Metric = { name: "TIME", amount: (start, end) => (end - start) * 1e6 };

/**
 * Writes a trace as a profile of TAU, `profile.NODE.CONTEXT.THREAD`, for `pprof`, `paraprof` and whatever else reads those: regions
 * as functions, columns as user events, for the whole run and for each region.
 *
 * @param directory Made when it is not there. Needs `--allow-write` of it.
 * @returns The paths of the files.
 * @throws {UsageError} If regions lie half in one another or are none, {RefusedError} If it cannot be written.
 */
export function writeTau(directory: string, trace: Trace, options: TauOptions = {}): string[] {
  const { node = 0, context = 0, thread = 0, isMultiple = false } = options;
  for (const number of [node, context, thread]) {
    if (!Number.isInteger(number) || number < 0) {
      throw new UsageError(`Cannot write profile.${node}.${context}.${thread}: these are whole numbers`);
    }
  }
  const name = `profile.${node}.${context}.${thread}`;
  const metrics = isMultiple ? [time, ...energies(trace)] : [time];
  const files = metrics.map((metric) => ({
    directory: isMultiple ? `${directory}/MULTI__${metric.name}` : directory,
    text: tauProfile(trace, metric, options),
  }));
  try {
    return files.map(({ directory, text }) => {
      Deno.mkdirSync(directory, { recursive: true });
      Deno.writeTextFileSync(`${directory}/${name}`, text);
      return `${directory}/${name}`;
    });
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable || !(error instanceof Error)) throw error;
    throw new RefusedError(`Cannot write a profile to ${directory}: ${error.message}`, { cause: error });
  }
}

/** The text of one file. */
function tauProfile(trace: Trace, metric: Metric, { regions = [], metadata = {} }: TauOptions): string {
  const frames = framesOf(trace, regions);
  const facts = { "Metric Name": metric.name, "Starting Timestamp": `${Date.parse(trace.startedAt) * 1000}`, ...metadata };
  const attributes = Object.entries(facts).map(([name, value]) =>
    `<attribute><name>${escaped(name)}</name><value>${escaped(value)}</value></attribute>`
  );
  const functions = functionsOf(frames, metric), events = eventsOf(trace, frames);
  return [
    `${functions.length} templated_functions_MULTI_${metric.name}`,
    `# Name Calls Subrs Excl Incl ProfileCalls # <metadata>${attributes.join("")}</metadata>`,
    ...functions,
    "0 aggregates",
    ...(events.length === 0 ? [] : [`${events.length} userevents`, "# eventname numevents max min mean sumsqr", ...events]),
    "",
  ].join("\n");
}

/** All regions, outer ones before those in them; the first one is the whole run. */
function framesOf({ rows }: Trace, regions: readonly TauRegion[]): Frame[] {
  const wholeEnd = Math.max(rows.at(-1)?.seconds ?? 0, ...regions.map(({ endSeconds }) => endSeconds));
  const whole: Frame = { name: wholeName, startSeconds: 0, endSeconds: wholeEnd, group: "TAU_DEFAULT", parent: null, children: [] };
  const frames = [whole];
  for (const region of regions.toSorted((a, b) => a.startSeconds - b.startSeconds || b.endSeconds - a.endSeconds)) {
    const { name, startSeconds, endSeconds, group = "TAU_USER" } = region;
    if (!(startSeconds >= 0 && endSeconds >= startSeconds && endSeconds < Infinity) || name.trim() === "") {
      throw new UsageError(`Cannot profile the region ${JSON.stringify(name)} from ${startSeconds} s to ${endSeconds} s`);
    }
    let parent = frames.at(-1)!;
    while (parent.parent !== null && parent.endSeconds <= startSeconds) parent = parent.parent;
    if (endSeconds > parent.endSeconds) {
      throw new UsageError(
        `Cannot profile the region ${JSON.stringify(name)}: it ends after ${JSON.stringify(parent.name)}, in which it begins`,
      );
    }
    const frame: Frame = { name: plain(name), startSeconds, endSeconds, group: plain(group), parent, children: [] };
    parent.children.push(frame);
    frames.push(frame);
  }
  return frames;
}

/** Regions of one name as one line: name, calls, calls from it, what it took alone and with those. */
function functionsOf(frames: readonly Frame[], { amount }: Metric): string[] {
  const all = new Map<string, { calls: number; callees: number; exclusive: number; inclusive: number; group: string }>();
  const of = ({ startSeconds, endSeconds }: Frame) => amount(startSeconds, endSeconds);
  for (const frame of frames) {
    const sum = all.get(frame.name) ?? { calls: 0, callees: 0, exclusive: 0, inclusive: 0, group: frame.group };
    all.set(frame.name, sum);
    sum.calls++;
    sum.callees += frame.children.length;
    // Differences of sums may end a little below 0.
    sum.exclusive += Math.max(0, of(frame) - frame.children.reduce((total, child) => total + of(child), 0));
    if (!hasSelfAbove(frame)) sum.inclusive += of(frame);
  }
  return [...all].map(([name, { calls, callees, exclusive, inclusive, group }]) =>
    `"${name}" ${calls} ${callees} ${exclusive} ${inclusive} 0 GROUP="${group}"`
  );
}

/** Whether a region lies in another one of its name: its time counts there already. */
function hasSelfAbove({ name, parent }: Frame): boolean {
  for (let above = parent; above !== null; above = above.parent) {
    if (above.name === name) return true;
  }
  return false;
}

/** Columns over the whole run, and over each region, as TAU writes events with their context. */
function eventsOf({ columns, rows }: Trace, frames: readonly Frame[]): string[] {
  const places = rows.map(({ seconds }) => pathOf(frameAt(frames, seconds)));
  return columns.flatMap((column, index) => {
    const byPlace = new Map<string, number[]>();
    for (const [row, { values }] of rows.entries()) {
      const value = values[index];
      if (value === null || !Number.isFinite(value)) continue;
      const names = frames.length === 1 ? [""] : ["", ` : ${places[row]}`];
      for (const name of names) {
        const known = byPlace.get(name);
        if (known === undefined) byPlace.set(name, [value]);
        else known.push(value);
      }
    }
    return [...byPlace].map(([place, values]) => eventLine(`${eventName(column)}${place}`, values));
  });
}

function eventName({ name, unit }: TraceColumn): string {
  return plain(unit === "count" ? name : `${name} (${unit})`);
}

function eventLine(name: string, values: readonly number[]): string {
  let max = -Infinity, min = Infinity, sum = 0, squares = 0;
  for (const value of values) {
    max = Math.max(max, value);
    min = Math.min(min, value);
    sum += value;
    squares += value * value;
  }
  return `"${name}" ${values.length} ${max} ${min} ${sum / values.length} ${squares}`;
}

/** The innermost region that a row tells of; a row closes the span before it. */
function frameAt(frames: readonly Frame[], seconds: number): Frame {
  let found = frames[0];
  for (const frame of frames) {
    const isIn = frame.startSeconds < seconds && seconds <= frame.endSeconds || seconds === 0 && frame.startSeconds === 0;
    if (isIn) found = frame;
  }
  return found;
}

function pathOf(frame: Frame): string {
  return frame.parent === null ? frame.name : `${pathOf(frame.parent)} => ${frame.name}`;
}

/** The energy of each column of power: a value tells of the time since the one before. */
function energies({ columns, rows }: Trace): Metric[] {
  return columns.flatMap(({ name, unit }, index): Metric[] => {
    if (unit !== "W" || !/(?:^|[/-])power$/.test(name)) return [];
    let start = 0;
    const spans = rows.flatMap(({ seconds: end, values }) => {
      const watts = values[index];
      if (watts === null) return [];
      const span = { start, end, watts };
      start = end;
      return [span];
    });
    const amount = (startSeconds: number, endSeconds: number) =>
      spans.reduce((sum, { start, end, watts }) => {
        const seconds = Math.min(end, endSeconds) - Math.max(start, startSeconds);
        return seconds > 0 ? sum + seconds * watts * 1e6 : sum;
      }, 0);
    return [{ name: `${name.replace(/power$/, "energy").replace(/[^A-Za-z0-9]+/g, "_").toUpperCase()}_UJ`, amount }];
  });
}

/** What may stand between quotes of a profile. */
function plain(text: string): string {
  return text.replaceAll('"', "'").replace(/\p{Cc}+/gu, " ");
}

function escaped(text: string): string {
  return plain(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
