import { helperPath } from "../../../lib/noise/measure.ts";
import { formatNs } from "../../../lib/report/quantity.ts";
import { table } from "../../../lib/report/table.ts";
import { type Group, quantile } from "../measure.ts";
import type { PowerPrograms } from "./programs.ts";
import { addresses, cpuCount } from "./registers.ts";

const periodUs = 1000;
const sampleCount = 5000;
/** The CPU that samples, and the priority where it is asked for. */
const serviceCpu = 0;
const priority = 50;

interface Sampling {
  readonly name: string;
  /** How long after the beginning of its period each sample began. */
  readonly lateNs: readonly number[];
  readonly tookNs: readonly number[];
  readonly missedCount: number;
}

/** Reading all registers every millisecond on one CPU: ours, and a loop in C, on a quiet machine and under load. */
export async function benchSampling(programs: PowerPrograms): Promise<Group> {
  const rows: Sampling[] = [];
  const { reads, files: { root, run }, script } = programs;
  for (const isLoaded of [false, true]) {
    using _load = isLoaded ? startLoad() : null;
    for (const rank of [0, priority]) {
      const words = `${rank === 0 ? "" : ", real-time"}${isLoaded ? ", both CPUs busy" : ""}`;
      const numbers = `${root} ${cpuCount}`;
      const rest = `${periodUs} ${sampleCount} ${serviceCpu} ${rank}`;
      rows.push(parse(`clock_nanosleep and pread in C${words}`, await run(`${reads} loop ${numbers} 3 ${rest}`)));
      rows.push(parse(`the library's thread${words}`, await run(`${script("sampler.ts")} ${numbers} ${rest}`)));
    }
  }
  return {
    title:
      `Sampling ${addresses.length} registers of ${cpuCount} CPUs every ${periodUs} us on one CPU: plain files, ${sampleCount} samples`,
    series: rows.map(({ name, lateNs }) => ({ name, runsNs: lateNs })),
    figures: rows.map(({ name, lateNs, tookNs, missedCount }) => ({
      name,
      lateP50Ns: quantile(lateNs, 0.5),
      lateP99Ns: quantile(lateNs, 0.99),
      lateMaxNs: Math.max(...lateNs),
      tookP50Ns: quantile(tookNs, 0.5),
      missedCount,
    })),
    table: describe(rows),
    notes: ["Late: from the beginning of a period to the first read of it. Missed: periods without a sample of their own."],
  };
}

/** Lines of two numbers, and what was missed; a loop that is late by whole periods has missed them. */
function parse(name: string, text: string): Sampling {
  const lines = text.trim().split("\n");
  const missed = lines.find((line) => line.startsWith("missed"));
  const samples = lines.filter((line) => line !== missed).map((line) => line.split(" ").map(Number));
  const lateNs = samples.map(([late]) => late);
  const missedCount = missed === undefined ? lateNs.filter((late) => late >= periodUs * 1000).length : Number(missed.split(" ")[1]);
  return { name, lateNs, tookNs: samples.map(([, took]) => took), missedCount };
}

/** Programs that want all CPUs; should we be killed, they end by themselves. */
function startLoad(): Disposable {
  const args = ["load", `--threads=${navigator.hardwareConcurrency}`, "--seconds=120"];
  const child = new Deno.Command(helperPath(), { args, stdin: "null", stdout: "null", stderr: "null" }).spawn();
  return { [Symbol.dispose]: () => child.kill("SIGKILL") };
}

function describe(rows: readonly Sampling[]): string {
  const titles = ["LATE P50", "P99", "MAX", "TOOK P50", "P99", "MISSED", "SAMPLES"];
  const cells = rows.map(({ name, lateNs, tookNs, missedCount }) => [
    name,
    formatNs(quantile(lateNs, 0.5)),
    formatNs(quantile(lateNs, 0.99)),
    formatNs(Math.max(...lateNs)),
    formatNs(quantile(tookNs, 0.5)),
    formatNs(quantile(tookNs, 0.99)),
    `${missedCount}`,
    `${lateNs.length}`,
  ]);
  return table([{ title: "" }, ...titles.map((title) => ({ title, right: true }))], cells);
}
