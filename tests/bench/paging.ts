import { table } from "../../lib/report/table.ts";
import { type Group, quantile } from "./measure.ts";
import { type Cell, compare, describeBounds, type Measure, place } from "./paging/bounds.ts";
import { PagingProgram, type Run } from "./paging/programs.ts";
import { isSequential, patterns, umapDefault, umapMissing, waysOf } from "./paging/ways.ts";

/** Numbers that a variable gives, or others. */
function numbers(name: string, otherwise: readonly number[]): readonly number[] {
  return Deno.env.get(name)?.split(",").map(Number) ?? otherwise;
}

const [fileMib] = numbers("NODEOS_BENCH_PAGING_MIB", [512]);
const [rounds] = numbers("NODEOS_BENCH_PAGING_ROUNDS", [5]);
const threadCounts = numbers("NODEOS_BENCH_PAGING_THREADS", [1, 2, 8]);
const chosen = Deno.env.get("NODEOS_BENCH_PAGING_PATTERNS")?.split(",") ?? Object.keys(patterns);

/** Touching a file of which a quarter fits into the buffer: UMap, mmap, bare loops and ours, by pattern, threads and CPUs. */
export async function benchPaging(): Promise<Group[]> {
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort(new Error("Cannot go on: interrupted"));
  // Else the file would stay.
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, interrupt);
  try {
    using program = await PagingProgram.create(fileMib * 256, interrupted.signal);
    return await measureAll(program);
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.removeSignalListener(signal, interrupt);
  }
}

async function measureAll(program: PagingProgram): Promise<Group[]> {
  const cells: Cell[] = [];
  const groups: Group[] = [];
  for (const pattern of chosen) {
    for (const isOneCpu of [true, false]) {
      for (const threads of threadCounts) {
        const notes: string[] = [];
        const cell = { pattern, threads, isOneCpu, runs: await measure(program, { pattern, threads, isOneCpu }, notes) };
        cells.push(cell);
        groups.push(group(cell, notes));
      }
    }
  }
  const median = (value: (run: Run) => number) => (runs: readonly Run[]) => quantile(runs.map(value), 0.5);
  return [
    ...groups,
    bounds(cells, median(({ pageUs }) => pageUs), "medians"),
    bounds(cells, (runs) => Math.min(...runs.map(({ pageUs }) => pageUs)), "the least of each"),
    bounds(cells, median(({ pageCpuUs }) => pageCpuUs), "medians of CPU time, for which no bounds are asked", false),
  ];
}

function bounds(cells: readonly Cell[], measure: Measure, words: string, isJudged = true): Group {
  const figures = compare(cells, measure, isJudged);
  const asked = figures.filter(({ holds }) => holds !== null);
  return {
    title: `Paging: how many times UMap, and how near to the best bare loop, by ${words}${isJudged ? "; * is out of its bound" : ""}`,
    series: [],
    figures,
    table: describeBounds(figures),
    notes: [
      `${rounds} runs of each.${isJudged ? ` ${asked.filter(({ holds }) => !holds).length} of ${asked.length} bounds are missed.` : ""}`,
      ...(umapMissing === null ? [] : [`Not measured: UMap [${umapMissing}]`]),
    ],
  };
}

/** All ways of one cell, in turns. */
async function measure(
  program: PagingProgram,
  { pattern, threads, isOneCpu }: Omit<Cell, "runs">,
  notes: string[],
): Promise<Map<string, readonly Run[]>> {
  const ways = waysOf(pattern, threads, program.bufferPages);
  const runs = new Map(ways.map(({ name }) => [name, [] as Run[]]));
  for (let round = 0; round < rounds; round++) {
    for (const { name, way, env, mayFail } of ways) {
      try {
        runs.get(name)!.push(await program.run({ way, pattern, threads, isOneCpu, window: patterns[pattern], env }));
      } catch (error) {
        program.signal.throwIfAborted();
        if (!mayFail) throw error;
        notes.push(`${name} failed in round ${round + 1}: ${(error as Error).message}`);
      }
    }
  }
  return runs;
}

function group(cell: Cell, notes: string[]): Group {
  const median = (runs: readonly Run[], value: (run: Run) => number) => quantile(runs.map(value), 0.5);
  const measured = [...cell.runs].filter(([, runs]) => runs.length > 0);
  const figures = measured.map(([name, runs]) => ({
    name,
    pageUs: median(runs, ({ pageUs }) => pageUs),
    pageP95Us: quantile(runs.map(({ pageUs }) => pageUs), 0.95),
    pageMinUs: Math.min(...runs.map(({ pageUs }) => pageUs)),
    pageCpuUs: median(runs, ({ pageCpuUs }) => pageCpuUs),
    waits: median(runs, ({ waits }) => waits),
    preemptions: median(runs, ({ preemptions }) => preemptions),
  }));
  const baseline = (figures.find(({ name }) => name === umapDefault) ?? figures[0]).pageUs;
  const rows = figures.map((figure) => [
    figure.name,
    ...[figure.pageUs, figure.pageMinUs, figure.pageP95Us, figure.pageCpuUs].map((us) => us.toFixed(2)),
    figure.waits.toFixed(3),
    figure.preemptions.toFixed(3),
    (baseline / figure.pageUs).toFixed(2),
  ]);
  const titles = [
    "US A PAGE, MEDIAN",
    "LEAST",
    "P95",
    "CPU US",
    "WAITS",
    "PREEMPTIONS",
    umapMissing === null ? "TIMES UMAP" : "TIMES MMAP",
  ];
  return {
    title: `Paging, ${cell.pattern}, ${place(cell).toLowerCase()}: 4 KiB pages of ${fileMib} MiB with a buffer of a quarter`,
    series: measured.map(([name, runs]) => ({ name, runsNs: runs.map(({ pageUs }) => pageUs * 1000) })),
    figures,
    table: table([{ title: "" }, ...titles.map((title) => ({ title, right: true }))], rows),
    notes: [
      `${rounds} runs in turns, each of ${fileMib * 64} touches after as many that fill the buffer. The file is in the page cache.` +
      (isSequential(cell.pattern) ? " Bare loops read 1 MiB at once." : ""),
      ...notes,
    ],
  };
}
