import { type Counts, noCounts } from "./result.ts";

const words: Readonly<Record<string, keyof Counts>> = {
  TPASS: "passed",
  TFAIL: "failed",
  TBROK: "broken",
  TCONF: "skipped",
  TWARN: "warnings",
};

/**
 * Counts what a program of the Linux Test Project says. Programs of its newer library end with a summary, which also has
 * what their children found; of older ones the lines are counted.
 */
export function readLtpOutput(output: string): Counts {
  const counts = { ...noCounts };
  const [, ...summaries] = output.split(/^Summary:\n/m);
  for (const summary of summaries) {
    for (const [, name, count] of summary.matchAll(/^(passed|failed|broken|skipped|warnings) +(\d+)$/gm)) {
      counts[name as keyof Counts] += Number(count);
    }
  }
  if (summaries.length > 0) return counts;
  // file.c:12: TPASS: text, and in the older library: name 1 TPASS : text
  for (const [, word] of output.matchAll(/^(?:[^\s:]+:\d+: |\S+\s+\d+\s+)(TPASS|TFAIL|TBROK|TCONF|TWARN)\b/gm)) counts[words[word]]++;
  return counts;
}
