import { table } from "../../../lib/report/table.ts";
import type { Run } from "./programs.ts";
import { isSequential, ours, patterns, umapDefault } from "./ways.ts";

/** One pattern with one number of threads on one or more CPUs, by the names of its ways. */
export interface Cell {
  /** How the file was touched. */
  readonly pattern: string;
  /** Threads that touched it. */
  readonly threads: number;
  /** Whether everything ran on one CPU. */
  readonly isOneCpu: boolean;
  /** What each way took, round by round. */
  readonly runs: ReadonlyMap<string, readonly Run[]>;
}

interface Bound {
  readonly name: string;
  /** What a cell's figure must be; null: none is asked of this cell. */
  readonly limit: (cell: Cell) => number | null;
  readonly isMost?: boolean;
  readonly pattern: string;
  readonly figure: (cell: Cell, measure: Measure) => number | null;
}

/** What stands for the runs of a way, in microseconds a page. */
export type Measure = (runs: readonly Run[]) => number;

/** That of the fastest of some ways. */
function best(cell: Cell, isOne: (name: string) => boolean, measure: Measure): number | null {
  const times = [...cell.runs].filter(([name, runs]) => isOne(name) && runs.length > 0).map(([, runs]) => measure(runs));
  return times.length === 0 ? null : Math.min(...times);
}

function ratio(cell: Cell, measure: Measure, over: (name: string) => boolean, under: (name: string) => boolean): number | null {
  const above = best(cell, over, measure), below = best(cell, under, measure);
  return above === null || below === null ? null : above / below;
}

const isUmap = (name: string) => name.startsWith("UMap");
const isDefault = (name: string) => name === umapDefault;
const isOurs = (name: string) => name === ours.signal;

/** The bounds of the design: how many times UMap's speed, and how near to the least that is possible. */
const bounds: readonly Bound[] = [
  ...Object.keys(patterns).flatMap((pattern): Bound[] => [
    {
      name: `${pattern}: UMap as it comes / ${ours.signal}`,
      pattern,
      limit: ({ isOneCpu }) => pattern === "random-read" ? isOneCpu ? 2.5 : 6 : pattern === "sequential-read" ? 10 : 2,
      figure: (cell, measure) => ratio(cell, measure, isDefault, isOurs),
    },
    ...(isSequential(pattern)
      ? [{
        name: `${pattern}: UMap's best page size / ${ours.signal}`,
        pattern,
        limit: () => pattern === "sequential-read" ? 1.5 : null,
        figure: (cell: Cell, measure: Measure) => ratio(cell, measure, isUmap, isOurs),
      }]
      : []),
    {
      name: `${pattern}: UMap as it comes / ${ours.thread}`,
      pattern,
      limit: () => null,
      figure: (cell, measure) => ratio(cell, measure, isDefault, (name) => name === ours.thread),
    },
  ]),
  ...(["signal", "thread"] as const).flatMap((mode) =>
    Object.keys(patterns).map((pattern): Bound => ({
      name: `${pattern}: ${ours[mode]} / best bare loop`,
      pattern,
      isMost: true,
      limit: () => 1.15,
      figure: (cell, measure) => ratio(cell, measure, (name) => name === ours[mode], (name) => name.startsWith(`bare loop, ${mode}`)),
    }))
  ),
];

/** How a cell is called at the head of a column. */
export const place = ({ threads, isOneCpu }: Cell): string =>
  `${isOneCpu ? "1 CPU" : "ALL CPUS"}, ${threads} THREAD${threads > 1 ? "S" : ""}`;

/** What was asked for and what is, for every bound and cell, by what stands for the runs. */
export function compare(cells: readonly Cell[], measure: Measure, isJudged: boolean) {
  return bounds.flatMap((bound) =>
    cells.filter(({ pattern }) => pattern === bound.pattern).flatMap((cell) => {
      const figure = bound.figure(cell, measure), limit = isJudged ? bound.limit(cell) : null;
      if (figure === null) return [];
      const holds = limit === null ? null : bound.isMost ? figure <= limit : figure >= limit;
      return [{ name: bound.name, place: place(cell), figure, limit, isMost: bound.isMost ?? false, holds }];
    })
  );
}

/** The same as a table: a star marks what is missed. */
export function describeBounds(figures: ReturnType<typeof compare>): string {
  const places = [...new Set(figures.map(({ place }) => place))];
  const names = [...new Set(figures.map(({ name }) => name))];
  const rows = names.map((name) => {
    const own = figures.filter((figure) => figure.name === name);
    const limits = [...new Set(own.flatMap(({ limit, isMost }) => limit === null ? [] : [`${isMost ? "<=" : ">="} ${limit}`]))];
    return [
      name,
      limits.join(", ") || "-",
      ...places.map((place) => {
        const found = own.find((figure) => figure.place === place);
        return found === undefined ? "" : `${found.figure.toFixed(2)}${found.holds === false ? " *" : ""}`;
      }),
    ];
  });
  return table([{ title: "" }, ...["BOUND", ...places].map((title) => ({ title, right: true }))], rows);
}
