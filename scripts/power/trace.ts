import { UsageError } from "../../lib/errors.ts";
import { csvHeader, csvRow } from "../../lib/power/trace/csv.ts";
import { Recorder } from "../../lib/power/trace/recorder.ts";
import type { TraceRow } from "../../lib/power/trace/trace.ts";
import type { Context } from "../context.ts";
import { chooseMeters, isTraced, openPower } from "./machine.ts";
import { checkOutputs, stdout, TextOutput } from "./output.ts";
import { Results, titleOf, wantsRows } from "./results.ts";
import { during } from "./span.ts";
import { stillWords, stoodStill } from "./still.ts";
import { TraceRows } from "./trace_rows.ts";

/** Flags of `nodeos power trace`. */
export interface TraceFlags {
  /** Meters instead of the usual ones. */
  readonly meters?: readonly string[];
  /** Time between two rows, in seconds. */
  readonly period: number;
  /** The longest time, in seconds. */
  readonly for?: number;
  /** File for the table. */
  readonly csv?: string;
  /** File for the picture. */
  readonly svg?: string;
  /** Directory for a profile. */
  readonly tau?: string;
  /** One JSON document. */
  readonly json: boolean;
}

/** Records meters over time. */
export default async function trace(this: Context, flags: TraceFlags, ...argv: string[]): Promise<void> {
  const { period, svg, tau, json } = flags;
  const csv = flags.csv ?? (argv.length === 0 && svg === undefined && tau === undefined && !json ? stdout : undefined);
  if (csv === undefined && svg === undefined && tau === undefined && !json) {
    throw new UsageError("Cannot trace to standard output: the program writes there", {
      remedy: "Say where: --csv FILE, --svg FILE, --tau DIR, or --json for a document at the end",
    });
  }
  checkOutputs([csv, svg, json ? stdout : undefined]);
  using machine = await openPower(this, flags.meters, { isForProgram: argv.length > 0 });
  const meters = chooseMeters(machine, flags.meters ?? [], isTraced);
  const recorder = new Recorder(meters, { periodSeconds: period, keepsRows: json || wantsRows(flags) });
  const startedAt = recorder.trace().startedAt;
  using table = csv === undefined ? null : new TextOutput(csv);
  using results = new Results(this, flags);
  using rows = new TraceRows(machine, meters, recorder, period);
  const write = (some: readonly TraceRow[]) => table?.write(some.map((row) => csvRow(startedAt, row)).join(""));
  table?.write(csvHeader(recorder.columns));
  const onStart = argv.length === 0 ? undefined : rows.onStart(this, machine);
  const { code } = await during(machine.kernel, {
    argv,
    seconds: flags.for,
    periodSeconds: rows.stepSeconds,
    isOver: () => table?.isOver ?? false,
    holdsProgram: onStart !== undefined,
    onStart: (pid, isHeld) => write(onStart?.(pid, isHeld) ?? []),
  }, () => write(rows.step()));
  write(rows.end());

  for (const warning of recorder.warnings) this.say(`nodeos: ${warning}`);
  const still = stoodStill(recorder.summaries(), recorder.seconds);
  if (still.length > 0) this.say(stillWords(still));
  const done = recorder.trace();
  if (json) this.json({ program: argv, exitCode: argv.length === 0 ? null : code, periodSeconds: period, ...done });
  if (csv !== undefined && csv !== stdout) this.say(`Wrote the table to ${csv}`);
  results.write(machine.kernel, done, { title: titleOf(argv) });
  if (recorder.missed > 0) this.say(`nodeos: readings missed: ${missedWords(recorder.missed, recorder.seconds, period)}`);
  this.process.exitCode = code;
}

/** A few are lost when the machine is busy; more than one in a hundred means that the period cannot be kept. */
function missedWords(missed: number, seconds: number, period: number): string {
  const count = Math.round(seconds / period) + 1;
  return `${missed} of ${count}${missed * 100 > count ? `; a period of ${period} s is too short for this machine now` : ""}`;
}
