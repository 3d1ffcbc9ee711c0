import { formatNs } from "../../../lib/report/quantity.ts";
import { table } from "../../../lib/report/table.ts";
import { type Group, quantile, type Series } from "../measure.ts";
import type { Place, PowerPrograms } from "./programs.ts";
import { addresses, cpuCount } from "./registers.ts";

const registerCount = cpuCount * addresses.length;
/** The batch path may take this much of the floor. */
const ratioMax = 1.2;

/** The words of `reads.c` and `batch.ts`, and what they are. */
const names: Readonly<Record<string, string>> = {
  pread: "pread of each, in C (the floor)",
  batch: "one call of the library, from C",
  deno: "one call of the library, from TypeScript",
  all: "rdmsr -a, for each register",
  each: "rdmsr, for each register of each CPU",
};

/** Reading all registers once, in turns, at a place. */
export async function benchBatches(
  programs: PowerPrograms,
  place: Place,
  what: string,
  { turns, rounds, hasRdmsr }: { turns: number; rounds: number; hasRdmsr: boolean },
): Promise<Group> {
  const text = await place.run(scriptOf(programs, place, turns, rounds, hasRdmsr));
  const runs = new Map<string, number[]>();
  for (const line of text.trim().split("\n")) {
    const [word, ns] = line.split(" ");
    if (!runs.has(word)) runs.set(word, []);
    runs.get(word)!.push(Number(ns));
  }
  const series: Series[] = Object.keys(names).filter((word) => runs.has(word)).map((word) => ({
    name: names[word],
    runsNs: runs.get(word)!,
  }));
  return {
    title: `Reading ${addresses.length} registers of ${cpuCount} CPUs once: ${what}`,
    series,
    table: describe(series),
    notes: [
      `Asked for: one call of the library takes at most ${ratioMax} times the floor.`,
      ...hasRdmsr ? [] : ["Left out: rdmsr (Debian: msr-tools), or no device that it could read."],
    ],
  };
}

/** Prints lines of a word and nanoseconds. */
function scriptOf({ reads, script }: PowerPrograms, { root, shift }: Place, turns: number, rounds: number, hasRdmsr: boolean): string {
  const at = root === "" ? "''" : root;
  const numbers = addresses.map((address) => `0x${address.toString(16)}`).join(" ");
  // A clock in steps of a microsecond, without a program of its own.
  const timed = (word: string, body: string) => `
    from=\${EPOCHREALTIME/./}; { ${body}; } >/dev/null; to=\${EPOCHREALTIME/./}; echo "${word} $(( (to - from) * 1000 ))"`;
  const rdmsr = timed("all", `for r in ${numbers}; do rdmsr -a $r; done`) +
    timed("each", `for ((c = 0; c < ${cpuCount}; c++)); do for r in ${numbers}; do rdmsr -p $c $r; done; done`);
  return `set -e
    for ((turn = 0; turn < ${turns}; turn++)); do
      ${reads} batch ${at} ${cpuCount} ${shift} ${rounds}
      ${script("batch.ts")} ${at} ${cpuCount} ${rounds}
      ${hasRdmsr ? rdmsr : ""}
    done`;
}

function describe(series: readonly Series[]): string {
  const titles = ["MEDIAN", "FOR EACH REGISTER", "P99", "TO THE FLOOR", "RUNS"];
  const [floor] = series;
  const rows = series.map(({ name, runsNs }) => {
    const median = quantile(runsNs, 0.5);
    const ratio = median / quantile(floor.runsNs, 0.5);
    return [
      name,
      formatNs(median),
      formatNs(median / registerCount),
      formatNs(quantile(runsNs, 0.99)),
      ratio < 10 ? ratio.toFixed(2) : ratio.toFixed(0),
      `${runsNs.length}`,
    ];
  });
  return table([{ title: "" }, ...titles.map((title) => ({ title, right: true }))], rows);
}
