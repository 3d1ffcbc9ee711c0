import { SysError } from "../../ffi/errors.ts";
import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { parseCpuList } from "./cpulist.ts";

/** Text of a kernel file without the white space around it; `null` when it is not there or the kernel refuses it. */
export function readText(files: KernelFiles, path: string): string | null {
  try {
    return files.tryRead(path)?.trim() ?? null;
  } catch (error) {
    if (error instanceof SysError) return null;
    throw error;
  }
}

/** A decimal number from a kernel file; `null` when it is not there, refused or something else. */
export function readNumber(files: KernelFiles, path: string): number | null {
  const text = readText(files, path);
  return text !== null && /^-?\d+$/.test(text) ? Number(text) : null;
}

/** A CPU or node list from a kernel file, ascending; `null` when it is not there, refused or no list (`(null)`). */
export function readCpuList(files: KernelFiles, path: string): number[] | null {
  const text = readText(files, path);
  if (text === null) return null;
  try {
    return parseCpuList(text);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Numbers behind a name in a directory of the kernel (`node3`, `cpu12`), ascending. */
export function listNumbered(files: KernelFiles, directory: string, name: string): number[] {
  const numbers: number[] = [];
  for (const entry of files.list(directory)) {
    const digits = entry.name.startsWith(name) ? entry.name.slice(name.length) : "";
    if (/^\d+$/.test(digits)) numbers.push(Number(digits));
  }
  return numbers.sort((a, b) => a - b);
}

/** Values of a `/proc` file of the form `Name:   12 kB`, by name and in bytes; lines of another form are left out. */
export function parseMeminfo(text: string): ReadonlyMap<string, number> {
  const values = new Map<string, number>();
  for (const line of text.split("\n")) {
    const match = /^(?:Node \d+ )?([\w()]+):\s+(\d+)( kB)?$/.exec(line.trim());
    if (match) values.set(match[1], Number(match[2]) * (match[3] ? 1024 : 1));
  }
  return values;
}

/**
 * A number in the largest binary unit that divides it.
 *
 * @param unitCount How many units there are, that of single bytes counted; larger ones are not taken.
 * @returns How many, and of which unit: 0 is bytes, 1 KiB, 2 MiB.
 */
export function inLargestUnit(bytes: number, unitCount: number): [count: number, unit: number] {
  let [count, unit] = [bytes, 0];
  while (count > 0 && count % 1024 === 0 && unit < unitCount - 1) [count, unit] = [count / 1024, unit + 1];
  return [count, unit];
}

/** The text of a field of mountinfo, which writes space, tab, newline and backslash as `\040` and the like. */
export function unescapeOctal(text: string): string {
  return !text.includes("\\")
    ? text
    : text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
