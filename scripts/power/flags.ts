import { UsageError } from "../../lib/errors.ts";
import { quote } from "../../lib/quote.ts";
import type { Context } from "../context.ts";

const secondsOf: Readonly<Record<string, number>> = { us: 1e-6, ms: 1e-3, s: 1, "": 1, min: 60, h: 3600 };

/**
 * Parses a time such as `100ms`, `1.5s`, `2min` or `10`, which is seconds.
 *
 * @throws {UsageError} If it is none above 0.
 */
export function parseSeconds(text: string): number {
  const match = /^(\d{1,9}(?:\.\d+)?)\s*([a-z]*)$/.exec(text.trim());
  const seconds = match === null ? NaN : Number(match[1]) * (secondsOf[match[2]] ?? NaN);
  if (seconds > 0) return seconds;
  throw new UsageError(`Cannot read ${quote(text)} as a time`, { remedy: "Write a number and a unit, such as 100ms, 10s or 2min" });
}

const [periodMin, periodMax] = [1e-3, 3600];

function parsePeriod(text: string): number {
  const seconds = parseSeconds(text);
  if (seconds >= periodMin && seconds <= periodMax) return seconds;
  throw new UsageError(`Cannot read meters every ${text}: it is out of range`, { remedy: "Give a period from 1ms to 1h" });
}

/** Parses a number above 0, such as watts. */
export function parsePositive(text: string): number {
  const value = /^\d{1,9}(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (value > 0) return value;
  throw new UsageError(`Cannot read ${quote(text)} as a number above 0`, { remedy: "Write one such as 120 or 87.5" });
}

/** Parses names of meters with commas between them. */
function names(text: string): readonly string[] {
  const all = text.split(",").map((name) => name.trim());
  if (all.every((name) => name !== "")) return all;
  throw new UsageError(`Cannot read ${quote(text)} as names of meters`, {
    remedy: 'Write names with commas between them; * stands for any part: "package*/energy,core*/temperature"',
  });
}

/** `--period` of a command. */
export function periodFlag(by: string) {
  return { kind: "parsed", parse: parsePeriod, default: by, placeholder: "TIME", brief: "Time between two readings" } as const;
}

/** `--for`. */
export const forFlag = {
  kind: "parsed",
  parse: parseSeconds,
  optional: true,
  placeholder: "TIME",
  brief: "How long, such as 60s (default: until the program ends, or Ctrl-C)",
} as const;

/** `--meters`. */
export const metersFlag = {
  kind: "parsed",
  parse: names,
  optional: true,
  placeholder: "NAMES",
  brief: "Meters by name, with commas between them; * stands for any part (default: what counts; nodeos power list has all)",
} as const;

/** `--svg`. */
export const svgFlag = {
  kind: "parsed",
  parse: String,
  optional: true,
  placeholder: "FILE",
  brief: "Draw power, cap, frequency and temperature over time (SVG; - is standard output)",
} as const;

/** `--tau`. */
export const tauFlag = {
  kind: "parsed",
  parse: String,
  optional: true,
  placeholder: "DIR",
  brief: "Write a profile for TAU to this directory: profile.0.0.0",
} as const;

/** Names of meters as arguments. */
export const namePositional = {
  kind: "array",
  parameter: {
    parse: String,
    placeholder: "name",
    brief: 'Meters by name, such as package0/energy or "core*/temperature"',
    proposeCompletions: meterNames,
  },
} as const;

/** For the shell: names that begin so. */
async function meterNames(this: Context, partial: string): Promise<readonly string[]> {
  const { Registry } = await import("../../lib/power/registry.ts");
  using registry = Registry.open(await this.kernel());
  return registry.meters.map(({ name }) => name).filter((name) => name.startsWith(partial));
}

/** A program, with its arguments, as arguments. */
export const programPositional = {
  kind: "array",
  parameter: { parse: String, placeholder: "program", brief: "Program and arguments, after --" },
} as const;
