import type { Topology } from "../../lib/kernel/topology.ts";
import type { Trace } from "../../lib/power/trace/trace.ts";
import { type PowerPanel, type PowerPoint, powerSvg } from "../../lib/report/power_svg.ts";

/** About two points for each pixel. */
const pointCount = 700;
/** Colours that stay apart. */
const subjectsMax = 4;
/** A limit so far above the power would press it flat. */
const limitShareMax = 1.5;

/** Which package a CPU or core belongs to. */
export interface Places {
  /** By the kernel's number of the CPU. */
  readonly packageOfCpu: ReadonlyMap<number, number>;
}

/** The places of a machine. */
export function placesOf({ packages }: Pick<Topology, "packages">): Places {
  return { packageOfCpu: new Map(packages.flatMap(({ id, cpus }) => cpus.map((cpu) => [cpu, id] as const))) };
}

/** Whether a picture of a trace would have something in it. */
export function canDraw({ rows }: Trace): boolean {
  return rows.length > 1;
}

/** What stands in a picture besides. */
export interface PictureWords {
  /** Over it. */
  readonly title: string;
  /** What the hottest core should not exceed. */
  readonly limitCelsius?: number;
}

/** Draws power, frequency, temperature and what else a trace has of packages and the like, over time. */
export function tracePicture(trace: Trace, places: Places, { title, limitCelsius }: PictureWords): string {
  const series = new SeriesOf(trace);
  const all = subjectsOf(trace).filter((subject) => series.merged([series.powerOf(subject)], 1).some(({ value }) => value > 0));
  const subjects = all.slice(0, subjectsMax);
  const panels = [
    powerPanel(series, subjects),
    panel("frequency, GHz", subjects, (subject) => series.merged(frequencies(trace, places, subject, subjects), 1e-9)),
    panel("cores", subjects, (subject) => series.changing(series.indexOf(`${subject}/active-cores`))),
    withLimit(
      panel("temperature, °C", subjects, (subject) => series.merged([series.indexOf(`${subject}/temperature`)], 1)),
      limitCelsius,
    ),
    panel("held back, %", subjects, (subject) => series.merged([series.indexOf(`${subject}/throttled-share`)], 1), (value) => value > 0),
  ].filter((panel) => panel !== null);
  const legend = subjects.map((subject) => ({ name: subject, note: meanNote(series, subject) }));
  const more = all.length > subjects.length ? `; not shown: ${all.slice(subjectsMax).join(", ")}` : "";
  const missed = trace.missed > 0 ? `; readings missed: ${trace.missed}` : "";
  const seconds = trace.rows.at(-1)?.seconds ?? 1;
  const subtitle = `from ${trace.startedAt.replace("T", " ").replace(/\.\d+Z$/, " UTC")}${more}${missed}`;
  return powerSvg(
    { title, subtitle, legend },
    panels.length > 0 ? panels : [{ yTitle: "power, W", runs: subjects.map(() => []) }],
    seconds,
  );
}

/** What has power in a trace: packages first. */
function subjectsOf({ columns }: Trace): string[] {
  const order = ["package", "gpu", "dram", "psys", "node"];
  const names = new Set(columns.filter(({ unit, name }) => unit === "W" && !isLimit(name)).map(({ name }) => subjectOf(name)));
  const rank = (name: string) => order.indexOf(name.replace(/\d+$/, ""));
  return [...names].filter((name) => rank(name) >= 0).sort((a, b) => rank(a) - rank(b) || a.localeCompare(b, "en", { numeric: true }));
}

function subjectOf(name: string): string {
  return name.split("/")[0];
}

function isLimit(name: string): boolean {
  return /\/cap$|limit/.test(name);
}

/** Columns of a trace as points. */
class SeriesOf {
  readonly #stride: number;

  constructor(readonly trace: Trace) {
    this.#stride = Math.max(1, Math.ceil(trace.rows.length / pointCount));
  }

  /** The column of a name; -1 without one. */
  indexOf(name: string): number {
    return this.trace.columns.findIndex((column) => column.name === name);
  }

  /** The column of power of a subject. */
  powerOf(subject: string): number {
    const exact = ["power", "mean-power"].map((word) => this.indexOf(`${subject}/${word}`)).find((index) => index >= 0);
    return exact ?? this.trace.columns.findIndex(({ name, unit }) => unit === "W" && subjectOf(name) === subject && !isLimit(name));
  }

  /** Mean and range of several columns together, over stretches of time. */
  merged(indexes: readonly number[], factor: number): PowerPoint[] {
    const known = indexes.filter((index) => index >= 0);
    const points: PowerPoint[] = [];
    for (let start = 0; start < this.trace.rows.length && known.length > 0; start += this.#stride) {
      const rows = this.trace.rows.slice(start, start + this.#stride);
      let [count, sum, low, high] = [0, 0, Infinity, -Infinity];
      // Of a run of days these are too many for arguments of a call.
      for (const { values } of rows) {
        for (const index of known) {
          const value = values[index];
          if (value === null) continue;
          count++;
          sum += value;
          if (value < low) low = value;
          if (value > high) high = value;
        }
      }
      if (count === 0) continue;
      const mean = sum / count;
      points.push({ seconds: rows[rows.length - 1].seconds, value: factor * mean, low: factor * low, high: factor * high });
    }
    return points;
  }

  /** A column that does not stay as it is; nothing otherwise. */
  changing(index: number): PowerPoint[] {
    return this.steps(index).length > 1 ? this.merged([index], 1) : [];
  }

  /** Where the value of a column changes. */
  steps(index: number): PowerPoint[] {
    const points: PowerPoint[] = [];
    for (const { seconds, values } of index < 0 ? [] : this.trace.rows) {
      const value = values[index];
      if (value !== null && value !== points.at(-1)?.value) points.push({ seconds, value });
    }
    return points;
  }
}

function panel(
  yTitle: string,
  subjects: readonly string[],
  pointsOf: (subject: string) => PowerPoint[],
  isShown: (value: number) => boolean = () => true,
): PowerPanel | null {
  const runs = subjects.map(pointsOf);
  return runs.some((points) => points.some(({ value }) => isShown(value))) ? { yTitle, runs } : null;
}

function withLimit(panel: PowerPanel | null, value: number | undefined): PowerPanel | null {
  if (panel === null || value === undefined) return panel;
  return { ...panel, limits: [{ name: "limit", points: [{ seconds: 0, value }] }] };
}

function powerPanel(series: SeriesOf, subjects: readonly string[]): PowerPanel | null {
  const drawn = panel("power, W", subjects, (subject) => series.merged([series.powerOf(subject)], 1));
  if (drawn === null) return null;
  const most = Math.max(...drawn.runs.flat().map(({ high, value }) => high ?? value));
  const limits = subjects.flatMap((subject) => {
    const cap = series.steps(series.indexOf(`${subject}/cap`));
    const points = cap.length > 0 ? cap : series.steps(series.indexOf(`${subject}/power-limit`));
    if (points.every(({ value }) => value === 0) || cap.length === 0 && points.some(({ value }) => value > most * limitShareMax)) return [];
    return [{ name: cap.length > 0 ? "cap" : "limit", points }];
  });
  // The same cap for all packages is one line.
  const distinct = limits.filter((limit, index) => limits.findIndex((other) => JSON.stringify(other) === JSON.stringify(limit)) === index);
  return { ...drawn, limits: distinct };
}

/** Columns of the frequency of a package's CPUs. A CPU that the kernel does not place belongs to the only package. */
function frequencies({ columns }: Trace, { packageOfCpu }: Places, subject: string, subjects: readonly string[]): number[] {
  const packages = subjects.filter((name) => name.startsWith("package"));
  return columns.flatMap(({ name }, index) => {
    if (name === `${subject}/frequency`) return [index];
    const cpu = /^cpu(\d+)\/frequency$/.exec(name)?.[1];
    if (cpu === undefined) return [];
    const owner = packages.length === 1 ? packages[0] : `package${packageOfCpu.get(Number(cpu))}`;
    return owner === subject ? [index] : [];
  });
}

/** The mean over time: rows may be further apart when some were missed. */
function meanNote(series: SeriesOf, subject: string): string {
  const index = series.powerOf(subject);
  let [joules, seconds, before] = [0, 0, 0];
  for (const row of series.trace.rows) {
    const value = row.values[index];
    if (value === null) continue;
    [joules, seconds, before] = [joules + value * (row.seconds - before), seconds + row.seconds - before, row.seconds];
  }
  return seconds > 0 ? `mean ${(joules / seconds).toFixed(1)} W` : "";
}
