import { type Counts, noCounts } from "./result.ts";

/**
 * Counts the lines of the Test Anything Protocol. What is expected to fail (`# TODO`) counts as skipped, whatever it did;
 * numbers that the plan promises and no line has count as broken.
 */
export function readTap(output: string): Counts {
  const counts = { ...noCounts };
  for (const [, not, rest] of output.matchAll(/^(not )?ok\b(.*)$/gm)) {
    counts[/#\s*(?:TODO|SKIP)\b/i.test(rest) ? "skipped" : not === undefined ? "passed" : "failed"]++;
  }
  const [, planned] = /^1\.\.(\d+)/m.exec(output) ?? ["", "0"];
  return { ...counts, broken: Math.max(0, Number(planned) - counts.passed - counts.failed - counts.skipped) };
}
