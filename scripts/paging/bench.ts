import { NoSuchObjectError, RefusedError, UsageError } from "../../lib/errors.ts";
import { PageBuffer } from "../../lib/paging/buffer.ts";
import { measure, type Measurement, type MeasureRequest } from "../../lib/paging/measure.ts";
import { formatBytes } from "../../lib/report/quantity.ts";
import { table } from "../../lib/report/table.ts";
import type { Context } from "../context.ts";
import type { BenchFlags } from "./command.ts";

const mib = 2 ** 20;
const fileBytesMin = mib;
const bufferBytesMin = 16 * 4096;
const touchesMax = 65_536;

/** Measures patterns over a file, and says whether the data was right. */
export default function bench(this: Context, flags: BenchFlags, path: string): void {
  const fileBytes = sizeOf(path);
  const bufferBytes = flags.buffer ?? Math.max(bufferBytesMin, Math.floor(fileBytes / 4));
  const pageCount = Math.floor(fileBytes / 4096);
  const common = {
    path,
    fileBytes,
    bufferBytes,
    pageBytes: flags.page,
    windowPages: flags.window,
    direct: flags.direct,
    touchCount: Math.min(flags.touches ?? touchesMax, pageCount),
  };
  // What cannot be is said before anything is measured.
  new PageBuffer(bufferBytes)[Symbol.dispose]();
  const results: (Measurement & Pick<MeasureRequest, "mode" | "pattern">)[] = [];
  for (const pattern of flags.pattern) {
    for (const mode of flags.mode) {
      const runs: Measurement[] = [];
      for (let run = 0; run < flags.runs; run++) runs.push(measure({ ...common, mode, pattern, seed: run + 1 }));
      runs.sort((a, b) => a.usPerPage - b.usPerPage);
      results.push({ mode, pattern, ...runs[Math.floor(runs.length / 2)] });
      if (!flags.json) this.say(`nodeos: ${pattern} ${mode}: ${results.at(-1)!.usPerPage.toFixed(2)} us/page`);
    }
  }
  if (flags.json) return this.json({ file: path, ...common, runs: flags.runs, loop: "C", results });
  this.print(render(results));
  this.print(
    `\n${path}: ${formatBytes(fileBytes)}, page buffer ${
      formatBytes(bufferBytes)
    } (none in mode plain), ${common.touchCount} pages a run, ` +
      `the middle one of ${flags.runs}; a loop in C. All data was right.`,
  );
}

function render(results: readonly (Measurement & { mode: string; pattern: string })[]): string {
  const us = (value: number) => value.toFixed(2);
  return table(
    [
      { title: "PATTERN" },
      { title: "MODE" },
      { title: "US/PAGE", right: true },
      { title: "P50", right: true },
      { title: "P99", right: true },
      { title: "MAX", right: true },
      { title: "CPU/PAGE", right: true },
      { title: "SWITCHES/PAGE", right: true },
      { title: "FAULTS", right: true },
      { title: "READ", right: true },
      { title: "WRITTEN", right: true },
    ],
    results.map((result) => [
      result.pattern,
      result.mode,
      us(result.usPerPage),
      us(result.p50Us),
      us(result.p99Us),
      us(result.maxUs),
      us(result.cpuUsPerPage),
      us(result.switchesPerPage),
      String(result.faults),
      String(result.readPages),
      String(result.writtenPages),
    ]),
  );
}

function sizeOf(path: string): number {
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new NoSuchObjectError(`Cannot measure ${path}: there is no such file`, { cause: error });
    }
    if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) {
      throw new RefusedError(`Cannot measure ${path}: this user or this command may not read it`, { cause: error });
    }
    throw error;
  }
  if (!info.isFile) throw new UsageError(`Cannot measure ${path}: it is no file`);
  if (info.size >= fileBytesMin) return info.size;
  throw new UsageError(`Cannot measure ${path}: it has ${info.size} bytes, and 1 MiB is the least`, {
    remedy: "Make one: head -c 256M /dev/urandom > FILE",
  });
}
