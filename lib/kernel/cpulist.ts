/**
 * Parses a kernel CPU or node list such as `0-3,8`.
 *
 * @param text The list as the kernel prints it; a final newline is fine, and the empty list is `[]`.
 * @returns Numbers in ascending order, each once.
 * @throws {SyntaxError} If a field is neither a number nor an ascending range.
 *
 * @example Usage
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseCpuList } from "./cpulist.ts";
 *
 * assert.deepEqual(parseCpuList("0-2,7"), [0, 1, 2, 7]);
 * ```
 */
export function parseCpuList(text: string): number[] {
  const trimmed = text.trim();
  if (trimmed === "") return [];
  const cpus = new Set<number>();
  for (const field of trimmed.split(",")) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(field.trim());
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    if (!match || last < first) {
      throw new SyntaxError(
        `Cannot read the list ${JSON.stringify(trimmed)}: ${JSON.stringify(field)} is neither a number nor an ascending range such as 2-5`,
      );
    }
    for (let cpu = first; cpu <= last; cpu++) cpus.add(cpu);
  }
  return [...cpus].sort((a, b) => a - b);
}

/** Formats numbers as the kernel does: ascending, ranges joined (`0-2,7`); the empty list is `""`. */
export function formatCpuList(cpus: Iterable<number>): string {
  const sorted = [...new Set(cpus)].sort((a, b) => a - b);
  const ranges: string[] = [];
  for (let i = 0; i < sorted.length; i++) {
    const first = sorted[i];
    while (sorted[i + 1] === sorted[i] + 1) i++;
    ranges.push(first === sorted[i] ? `${first}` : `${first}-${sorted[i]}`);
  }
  return ranges.join(",");
}
