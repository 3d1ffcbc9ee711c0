import { formatNs } from "../../../lib/report/quantity.ts";
import { table } from "../../../lib/report/table.ts";
import { type Group, quantile } from "../measure.ts";
import { hasHugePages, pagesNote, preloaded, type Programs } from "./programs.ts";

const rounds = 7;
const steps = 20;

interface Way {
  readonly name: string;
  readonly before?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly missing?: string;
}

function ways(): Way[] {
  const library = Deno.env.get("NODEOS_LIBHUGETLBFS");
  return [
    { name: "plain malloc" },
    { name: "numactl --localalloc", before: ["numactl", "--localalloc"], missing: hasProgram("numactl") ? undefined : "needs numactl" },
    {
      name: "libhugetlbfs",
      env: { LD_PRELOAD: library ?? "", HUGETLB_MORECORE: "yes", HUGETLB_VERBOSE: "0" },
      missing: library === undefined ? "needs NODEOS_LIBHUGETLBFS, the path of its library" : undefined,
    },
    {
      name: "glibc.malloc.hugetlb=2",
      env: { GLIBC_TUNABLES: "glibc.malloc.hugetlb=2" },
      missing: hasHugePages ? undefined : "needs huge pages, and NODEOS_HUGE_PAGES",
    },
    { name: "nodeos preload", env: preloaded },
  ];
}

/** A program with static arrays and a temporary in every step: faults and time once it runs, beside the rivals. */
export function benchStream(programs: Programs): Group {
  const there = ways().filter(({ missing }) => missing === undefined);
  const runs = there.map(({ name }) => ({ name, faults: [] as number[], runsNs: [] as number[] }));
  for (let round = -1; round < rounds; round++) {
    there.forEach(({ before = [], env = {} }, index) => {
      const [faults, ns] = programs.numbers([...before, "./stream", `${steps}`], env);
      if (round < 0) return;
      runs[index].faults.push(faults / steps);
      runs[index].runsNs.push(ns);
    });
  }
  const figures = runs.map(({ name, faults, runsNs }) => ({
    name,
    faultsPerStep: quantile(faults, 0.5),
    faultsPerStepMax: Math.max(...faults),
    stepNs: quantile(runsNs, 0.5),
    stepP95Ns: quantile(runsNs, 0.95),
    ratio: quantile(runsNs, 0.5) / quantile(runs[0].runsNs, 0.5),
  }));
  const rows = figures.map(({ name, faultsPerStep, faultsPerStepMax, stepNs, stepP95Ns, ratio }) => {
    return [name, faultsPerStep.toFixed(1), faultsPerStepMax.toFixed(1), formatNs(stepNs), formatNs(stepP95Ns), ratio.toFixed(2)];
  });
  const columns = ["FAULTS PER STEP", "MAX", "STEP, MEDIAN", "P95", "RATIO OF MEDIANS"].map((title) => ({ title, right: true }));
  return {
    title: "A step of a STREAM-like program, 48 MiB static and 32 MiB allocated and freed in each step, after two steps",
    series: runs,
    figures,
    table: table([{ title: "" }, ...columns], rows),
    notes: [
      `CPU time, ${rounds} runs of ${steps} steps in turns. ${pagesNote}`,
      ...ways().flatMap(({ name, missing }) => missing === undefined ? [] : [`Not measured: ${name} [${missing}]`]),
    ],
  };
}

function hasProgram(name: string): boolean {
  try {
    return new Deno.Command(name, { args: ["--show"], stdout: "null", stderr: "null" }).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
