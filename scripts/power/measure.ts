import { NoSuchObjectError, UsageError } from "../../lib/errors.ts";
import { type MeterSummary, Recorder } from "../../lib/power/trace/recorder.ts";
import { table } from "../../lib/report/table.ts";
import type { Context } from "../context.ts";
import { chooseMeters, isTraced, openPower, tryRemedy } from "./machine.ts";
import { checkOutputs, stdout, TextOutput } from "./output.ts";
import { Results, titleOf, wantsRows } from "./results.ts";
import { during } from "./span.ts";
import { stillWords, stoodStill } from "./still.ts";
import { TraceRows } from "./trace_rows.ts";
import { showSeconds, showWhole } from "./words.ts";

/** Flags of `nodeos power measure`. */
export interface MeasureFlags {
  /** Meters instead of the usual ones. */
  readonly meters?: readonly string[];
  /** Time between two readings, in seconds. */
  readonly period: number;
  /** File for the result. */
  readonly output?: string;
  /** File for the picture. */
  readonly svg?: string;
  /** Directory for a profile. */
  readonly tau?: string;
  /** One JSON document. */
  readonly json: boolean;
}

/** What a program took. */
export interface Measurement {
  /** How long it ran. */
  readonly seconds: number;
  /** Energy of all that is counted once: packages, memory and cards. */
  readonly joules: number;
  /** Their mean power. */
  readonly meanWatts: number;
  /** Joules times seconds: what a run costs that is worth the less the longer it takes. */
  readonly energyDelayJouleSeconds: number;
}

/** Runs a program and says what energy it took. */
export default async function measure(this: Context, flags: MeasureFlags, ...argv: string[]): Promise<void> {
  const { period, svg, json } = flags;
  if (argv.length === 0) {
    throw new UsageError("Cannot measure: no program is given", { remedy: "Give one after --: nodeos power measure -- ./solver in.dat" });
  }
  const output = flags.output ?? (json ? stdout : undefined);
  checkOutputs([output, svg]);
  using machine = await openPower(this, flags.meters, { isForProgram: true });
  const meters = chooseMeters(machine, flags.meters ?? [], isTraced);
  if (!meters.some(({ kind }) => kind === "counter")) {
    throw new NoSuchObjectError("Cannot measure energy: none of these meters counts any", {
      remedy: flags.meters === undefined ? tryRemedy : "Name one that counts, such as package*/energy; see all: nodeos power list",
    });
  }
  const recorder = new Recorder(meters, { periodSeconds: period, keepsRows: wantsRows(flags) });
  using rows = new TraceRows(machine, meters, recorder, period);
  using results = new Results(this, flags);
  using file = output === undefined ? null : new TextOutput(output);
  const onStart = rows.onStart(this, machine);
  const span = { argv, periodSeconds: rows.stepSeconds, holdsProgram: onStart !== undefined, onStart };
  const { code, seconds } = await during(machine.kernel, span, () => void rows.step());
  rows.end();

  const all = recorder.summaries();
  const still = stoodStill(all, seconds);
  const summaries = all.filter((summary) => !still.includes(summary));
  const measurement = measurementOf(summaries, seconds);
  if (json) {
    const meters = summaries.map(({ meter: { name, unit, provider }, column, total, mean, low, high }) => (
      { name, unit, provider, total, rateUnit: column.unit, mean, low, high }
    ));
    const document = { schemaVersion: 1, program: argv, exitCode: code, ...measurement, periodSeconds: period, meters };
    file!.write(`${JSON.stringify(document, null, 2)}\n`);
  } else {
    const figures = summaries.length > 0 ? `\n${report(summaries, measurement)}\n` : "";
    const text = `nodeos: ${argv.join(" ")} took ${showSeconds(seconds)} and ended with ${code}\n${figures}`;
    if (file === null) this.process.stderr.write(`\n${text}`);
    else file.write(text);
  }
  for (const warning of recorder.warnings) this.say(`nodeos: ${warning}`);
  if (still.length > 0) this.say(stillWords(still));
  if (measurement.joules === 0 && still.length > 0) this.say(`  ${tryRemedy}`);
  if (output !== undefined && output !== stdout) this.say(`Wrote the result to ${output}`);
  results.write(machine.kernel, recorder.trace(), { title: titleOf(argv) });
  this.process.exitCode = code;
}

/** Sums up what is counted once: cores are a part of their package, and the platform has everything in it. */
export function measurementOf(summaries: readonly MeterSummary[], seconds: number): Measurement {
  const parts = summaries.filter(({ meter: { unit, name } }) => unit === "J" && /^(package|dram|gpu)\d+\/(die\d+-)?energy$/.test(name));
  const whole = parts.length > 0 ? parts : summaries.filter(({ meter: { unit, domain } }) => unit === "J" && domain.kind === "psys");
  const joules = whole.reduce((sum, { total }) => sum + (total ?? 0), 0);
  return { seconds, joules, meanWatts: seconds > 0 ? joules / seconds : 0, energyDelayJouleSeconds: joules * seconds };
}

/** Energy first; then, in a table of its own, what else was read, frequencies as one. */
function report(summaries: readonly MeterSummary[], { joules, meanWatts, energyDelayJouleSeconds }: Measurement): string {
  const right = (title: string) => ({ title, right: true });
  const energy = summaries.filter(({ meter: { unit } }) => unit === "J");
  const number = (value: number | null) => value === null ? "-" : value.toFixed(1);
  const first = table(
    [{ title: "ENERGY" }, right("JOULES"), right("MEAN W"), right("PEAK W")],
    energy.map(({ meter: { name }, total, mean, high }) => [name.replace(/-?\/?energy$/, ""), number(total), number(mean), number(high)]),
  );
  const others = summaries.filter(({ meter: { unit, domain: { kind } } }) => unit !== "J" && kind !== "cpu" && kind !== "core");
  const clocks = summaries.filter(({ column: { unit } }) => unit === "Hz").flatMap(({ mean, low, high }) =>
    mean === null ? [] : [{ mean, low, high }]
  );
  const rows = others.map((
    { column: { name, unit }, mean, low, high },
  ) => [name, ...[mean, low, high].map((value) => showWhole(value, unit))]);
  if (clocks.length > 0) {
    const mean = clocks.reduce((sum, { mean }) => sum + mean, 0) / clocks.length;
    const [low, high] = [Math.min(...clocks.map(({ low }) => low!)), Math.max(...clocks.map(({ high }) => high!))];
    rows.push([`frequency of ${clocks.length} CPUs`, ...[mean, low, high].map((value) => showWhole(value, "Hz"))]);
  }
  const second = rows.length === 0 ? "" : `\n\n${table([{ title: "ALSO" }, right("MEAN"), right("LOW"), right("HIGH")], rows)}`;
  return `${first}${second}\n\nTogether ${number(joules)} J, ${number(meanWatts)} W; energy times time ${
    Number(energyDelayJouleSeconds.toPrecision(5))
  } Js`;
}
