/** A register that msr-safe lets its users have. */
export interface AllowedRegister {
  /** Its number. */
  readonly address: number;
  /** The bits that they may write. */
  readonly writeMask: bigint;
}

/**
 * Parses the allow-list of msr-safe: a register and its write mask per line, both hexadecimal; `#` begins a comment.
 *
 * @throws {SyntaxError} If a line is something else, or names a register again.
 *
 * @example Usage
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseAllowList } from "./msr_safe.ts";
 *
 * assert.deepEqual(parseAllowList("# a limit\n0x610 0x00ffffff00ffffff # of a package\n"), [
 *   { address: 0x610, writeMask: 0x00ffffff00ffffffn },
 * ]);
 * ```
 */
export function parseAllowList(text: string): AllowedRegister[] {
  const seen = new Set<number>();
  return text.split("\n").flatMap((line, index) => {
    const words = line.replace(/#.*/, "").trim();
    if (words === "") return [];
    const [, address, mask] = /^0x([0-9a-f]{1,8})\s+0x([0-9a-f]{1,16})$/i.exec(words) ?? [];
    if (mask === undefined) {
      throw new SyntaxError(`Cannot read line ${index + 1} of the allow-list, ${JSON.stringify(line)}: it reads "0xREGISTER 0xMASK"`);
    }
    const number = Number.parseInt(address, 16);
    if (seen.has(number)) throw new SyntaxError(`Cannot read line ${index + 1} of the allow-list: register 0x${address} is there twice`);
    seen.add(number);
    return [{ address: number, writeMask: BigInt(`0x${mask}`) }];
  });
}

/** Formats an allow-list as msr-safe takes it, one register per line. */
export function formatAllowList(list: readonly AllowedRegister[]): string {
  const hex = (value: number | bigint, digits: number) => `0x${value.toString(16).padStart(digits, "0")}`;
  return list.map(({ address, writeMask }) => `${hex(address, 8)} ${hex(writeMask, 16)}\n`).join("");
}

/** The bits of a register that may be written; 0 for one that is not on the list. */
export function allowMask(list: readonly AllowedRegister[], address: number): bigint {
  return list.find((entry) => entry.address === address)?.writeMask ?? 0n;
}
