/**
 * Parses a kernel CPU mask: hexadecimal, with a comma before each group of eight digits, such as `00000003,ffffffff`.
 *
 * @param text The mask as the kernel prints it; a final newline is fine.
 * @returns Numbers in ascending order.
 * @throws {SyntaxError} If it is something else.
 *
 * @example Usage
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseCpuMask } from "./cpumask.ts";
 *
 * assert.deepEqual(parseCpuMask("1,0000000f"), [0, 1, 2, 3, 32]);
 * ```
 */
export function parseCpuMask(text: string): number[] {
  const trimmed = text.trim();
  if (!/^(?:[\da-f]{1,8}(?:,[\da-f]{8})*|[\da-f]+)$/i.test(trimmed)) {
    throw new SyntaxError(
      `Cannot read the mask ${JSON.stringify(trimmed)}: it is not hexadecimal digits in groups of eight, such as 3,ffffffff`,
    );
  }
  const digits = [...trimmed.replaceAll(",", "")].reverse();
  return digits.flatMap((digit, index) => [0, 1, 2, 3].filter((bit) => parseInt(digit, 16) >> bit & 1).map((bit) => index * 4 + bit));
}

/**
 * Formats CPUs as the kernel does: with as many digits, and commas, as it printed another mask.
 *
 * @param like That other mask.
 * @throws {RangeError} If a CPU has no place in a mask of that many digits.
 */
export function formatCpuMask(cpus: Iterable<number>, like: string): string {
  const digits = Array<number>(like.trim().replaceAll(",", "").length).fill(0);
  for (const cpu of cpus) {
    const index = digits.length - 1 - Math.floor(cpu / 4);
    if (!(Number.isInteger(cpu) && cpu >= 0 && index >= 0)) {
      throw new RangeError(`Cannot put CPU ${cpu} into a mask of ${digits.length} digits`);
    }
    digits[index] |= 1 << cpu % 4;
  }
  const text = digits.map((digit) => digit.toString(16)).join("");
  return like.includes(",") ? text.replace(/(?!^)(?=(?:.{8})+$)/g, ",") : text;
}
