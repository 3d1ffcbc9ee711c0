import { libraryPath } from "../../ffi/library.ts";
import { boardPath, PowerBoard } from "../../lib/power/glue/board.ts";
import { PrometheusFile } from "../../lib/power/glue/prometheus.ts";
import type { Meter } from "../../lib/power/meter.ts";
import { type MeterSummary, Recorder } from "../../lib/power/trace/recorder.ts";
import type { TraceRow } from "../../lib/power/trace/trace.ts";
import { table } from "../../lib/report/table.ts";
import type { Context } from "../context.ts";
import { chooseMeters, isOverview, openPower, readerOf } from "./machine.ts";
import { makeDirectory, stdout, TextOutput } from "./output.ts";
import { during } from "./span.ts";
import { show, showSeconds, showWhole } from "./words.ts";

/** Flags of `nodeos power watch`. */
export interface WatchFlags {
  /** Time between two readings, in seconds. */
  readonly period: number;
  /** The longest time, in seconds. */
  readonly for?: number;
  /** File for the metrics of Prometheus. */
  readonly prometheus?: string;
  /** Show the values to PAPI. */
  readonly papiBoard: boolean;
  /** Show nothing. */
  readonly quiet: boolean;
  /** One JSON document for each reading. */
  readonly json: boolean;
}

/** What is shown, and how. */
interface Display {
  /** Shows a row; counters have values from the second one on. */
  show(row: TraceRow, recorder: Recorder): void;
}

/** Shows meters again and again. */
export default async function watch(this: Context, flags: WatchFlags, ...names: string[]): Promise<void> {
  using machine = await openPower(this, names);
  const meters = chooseMeters(machine, names, isOverview);
  const read = readerOf(machine, meters);
  const recorder = new Recorder(meters, { periodSeconds: flags.period, keepsRows: false });
  using out = new TextOutput(stdout);
  const display = flags.quiet ? { show() {} } : flags.json ? jsonLines(out) : Deno.stdout.isTerminal() ? screen(out) : plainLines(out);
  const hasCounters = meters.some(({ kind }) => kind === "counter");
  using metrics = flags.prometheus === undefined ? null : new PrometheusFile(flags.prometheus, meters);
  using board = flags.papiBoard ? openBoard(this, meters) : null;
  await during(machine.kernel, { argv: [], seconds: flags.for, periodSeconds: flags.period, isOver: () => out.isOver }, () => {
    const snapshot = read();
    metrics?.write(snapshot);
    board?.publish(snapshot);
    const row = recorder.add(snapshot);
    // What counters count shows when there are two readings.
    if (row !== null && !(row.seconds === 0 && hasCounters)) display.show(row, recorder);
  });
  for (const warning of recorder.warnings) this.say(`nodeos: ${warning}`);
}

/** What programs that use PAPI find; see `libnodeos-papi.so`. */
function openBoard(context: Context, meters: readonly Meter[]): PowerBoard {
  const directory = `${context.stateDirectory}/power`;
  makeDirectory(directory);
  const path = `${directory}/board`;
  const board = PowerBoard.create(meters, path);
  const variable = path === boardPath ? "" : `NODEOS_POWER_BOARD=${path} `;
  const library = new URL("libnodeos-papi.so", `file://${libraryPath()}`).pathname;
  context.say(`nodeos: programs that use PAPI see these events with ${variable}LD_PRELOAD=${library}`);
  for (const { name, doc } of board.events) context.say(`  ${name}  ${doc}`);
  return board;
}

/** One object a line, with the unit in `unit`. */
function jsonLines(out: TextOutput): Display {
  return {
    show({ seconds, values }, { columns }) {
      const readings = columns.map(({ name, unit }, index) => ({ name, unit, value: values[index] }));
      out.write(`${JSON.stringify({ schemaVersion: 1, time: new Date().toISOString(), seconds, readings })}\n`);
    },
  };
}

/** One line for each reading, for files and pipes. */
function plainLines(out: TextOutput): Display {
  return {
    show({ seconds, values }, { columns }) {
      const words = columns.map(({ name, unit }, index) => `${name} ${showWhole(values[index], unit)}`);
      out.write(`${seconds.toFixed(1)} s  ${words.join("  ")}\n`);
    },
  };
}

/** A table that stays where it is on the terminal. */
function screen(out: TextOutput): Display {
  let height = 0;
  return {
    show({ seconds, values }, recorder) {
      const size = Deno.consoleSize();
      const [rows, width] = [size.rows || 24, size.columns || 80];
      const lines = watchTable(recorder.summaries(), values, seconds).split("\n");
      const shown = lines.length < rows
        ? lines
        : [...lines.slice(0, rows - 2), `... and ${lines.length - rows + 2} more: name those to be seen`];
      const up = height > 0 ? `\x1b[${height}A` : "";
      out.write(`${up}\x1b[J${shown.map((line) => `${[...line].slice(0, width - 1).join("")}\n`).join("")}`);
      height = shown.length;
    },
  };
}

/** Now, and what was since the start. */
export function watchTable(summaries: readonly MeterSummary[], values: TraceRow["values"], seconds: number): string {
  const right = (title: string) => ({ title, right: true });
  const body = table(
    [{ title: "METER" }, right("NOW"), { title: "UNIT" }, right("MEAN"), right("LOW"), right("HIGH")],
    summaries.map(({ column: { name, unit }, mean, low, high }, index) => {
      const whole = (value: number | null) => unit === "Hz" ? showWhole(value, unit) : show(value, unit)[0];
      return [name, ...show(values[index], unit), whole(mean), whole(low), whole(high)];
    }),
  );
  return `${body}\n\n${showSeconds(seconds)}; Ctrl-C ends`;
}
