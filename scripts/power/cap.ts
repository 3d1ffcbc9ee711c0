import { clockNs } from "../../ffi/mod.ts";
import { getAffinity } from "../../ffi/task.ts";
import { RefusedError, UsageError } from "../../lib/errors.ts";
import type { Drift } from "../../lib/plan/executor.ts";
import { PowerSession } from "../../lib/power/access/session.ts";
import { Governor } from "../../lib/power/governor/governor.ts";
import { removeDeadPages } from "../../lib/power/governor/cores_page.ts";
import { ProgramRuntime } from "../../lib/power/governor/program.ts";
import type { Context } from "../context.ts";
import { type CapOutcome, describeCap, renderCap } from "./cap_report.ts";
import { CapRows } from "./cap_rows.ts";
import { CapTally } from "./cap_summary.ts";
import { isPower, isTraced, openPower, type PowerMachine, usualMeters } from "./machine.ts";
import { checkOutputs, stdout, TextOutput } from "./output.ts";
import { Results, titleOf, wantsRows } from "./results.ts";
import { during, EndingWish } from "./span.ts";

/** Flags of `nodeos power cap`. */
export interface CapFlags {
  /** Which packages; all by default. */
  readonly package?: readonly number[];
  /** The time over which the mean counts, in seconds. */
  readonly window: number;
  /** What the hottest core shall not exceed. */
  readonly celsius?: number;
  /** Let the program use fewer threads. */
  readonly follow: boolean;
  /** Actuators that get a value for the time. */
  readonly set?: readonly Wish[];
  /** Time between two steps, in seconds. */
  readonly period?: number;
  /** The longest time, in seconds. */
  readonly for?: number;
  /** File for the summary. */
  readonly output?: string;
  /** File for the picture. */
  readonly svg?: string;
  /** Directory for a profile. */
  readonly tau?: string;
  /** One JSON document. */
  readonly json: boolean;
}

/** A value for an actuator. */
export interface Wish {
  /** Its name. */
  readonly name: string;
  /** In its unit. */
  readonly value: number;
}

/** What is to be held, and for how long. */
interface CapRequest {
  readonly flags: CapFlags;
  readonly watts: number | null;
  readonly argv: readonly string[];
  /** Fires when somebody asks us to end. */
  readonly asked: AbortSignal;
}

/** Rows of a picture need not be as close as steps. */
const rowSecondsMin = 0.1;
/** Steps within a window, and how far apart they are at most. */
const [stepsPerWindow, stepSecondsMax] = [20, 0.02];
const stepSecondsMin = 2e-3;

/** Keeps packages below a cap, or sets actuators, until a program or a time ends, and puts everything back. */
export default async function cap(this: Context, flags: CapFlags, ...words: string[]): Promise<void> {
  const { watts, argv } = split(words, flags.set !== undefined);
  checkFlags(flags, watts, argv);
  const output = flags.output ?? (flags.json ? stdout : undefined);
  checkOutputs([output, flags.svg]);
  using machine = await openPower(this);
  checkCanSet(machine, watts);
  checkMaySet(machine);
  using results = new Results(this, flags);
  using file = output === undefined ? null : new TextOutput(output);
  using wish = new EndingWish(machine.kernel);
  const session = await PowerSession.open({
    ...machine,
    directory: `${this.stateDirectory}/power`,
    onRestored: ({ steps }) => this.say(`nodeos: put back ${steps.length} settings of a command that was killed`),
  });
  removeDeadPages(machine.kernel, `${this.stateDirectory}/power`);
  let outcome: CapOutcome;
  let left: readonly Drift[] = [];
  try {
    outcome = await hold(this, machine, session, { flags, watts, argv, asked: wish.signal });
  } finally {
    left = await session.end();
    for (const { step, found } of left) this.say(`nodeos: ${step.what} is still ${found}, not ${step.from}; run "nodeos restore"`);
  }
  if (flags.json) file!.write(`${JSON.stringify({ schemaVersion: 1, ...describeCap(outcome, flags, argv) }, null, 2)}\n`);
  else {
    const text = `${renderCap(outcome, flags, argv)}\n${left.length === 0 ? "Everything is set as it was before.\n" : ""}`;
    if (file === null) this.process.stderr.write(text);
    else file.write(text);
  }
  if (output !== undefined && output !== stdout) this.say(`Wrote the summary to ${output}`);
  results.write(machine.kernel, outcome.trace, { title: titleOf(argv), limitCelsius: flags.celsius });
  this.process.exitCode = outcome.code;
}

/** The first word is the cap; it may be missing when something else is set. */
function split(words: readonly string[], canLack: boolean): { watts: number | null; argv: readonly string[] } {
  const match = /^(\d{1,6}(?:\.\d+)?)\s*W?$/i.exec(words[0] ?? "");
  const watts = match === null ? NaN : Number(match[1]);
  if (watts > 0) return { watts, argv: words.slice(1) };
  if (canLack && match === null) return { watts: null, argv: words };
  const what = words.length === 0 ? "how many watts is not said" : `${JSON.stringify(words[0])} is no number of watts`;
  throw new UsageError(`Cannot cap power: ${what}`, {
    remedy: "Say the watts of each package first: nodeos power cap 120 -- ./solver in.dat",
  });
}

function checkFlags({ follow, celsius, package: packages }: CapFlags, watts: number | null, argv: readonly string[]): void {
  if (follow && (watts === null || argv.length === 0)) {
    throw new UsageError("Cannot let a program follow: it takes a cap and a program", {
      remedy: "Give both: nodeos power cap 60 --follow -- ./solver in.dat",
    });
  }
  if (watts === null && (celsius !== undefined || packages !== undefined)) {
    throw new UsageError("Cannot use --celsius and --package without a cap", { remedy: "Say the watts of each package first" });
  }
}

/** Most virtual machines have nothing of it. What is only locked has a reason of its own. */
function checkCanSet({ registry }: PowerMachine, watts: number | null): void {
  const canSet = registry.meters.some(({ isWritable, obstacle }) => isWritable || obstacle !== undefined);
  const tells = registry.meters.some((meter) => isPower(meter) && meter.domain.kind === "package");
  if (canSet && (tells || watts === null)) return;
  const what = canSet ? "this machine does not tell what its packages draw" : "nothing on this machine sets power";
  throw new RefusedError(`Cannot ${watts === null ? "set" : "cap"} power: ${what}`, {
    remedy: "See what is lacking: nodeos power list --lacks\n" +
      `  See how it works on a simulated package: nodeos power simulate -- nodeos power cap ${watts ?? 120} --for 10s`,
  });
}

/** Who may set nothing is told so, and not that the journal cannot be written. */
function checkMaySet({ registry, policy, person }: PowerMachine): void {
  const actuators = registry.meters.filter(({ isWritable }) => isWritable);
  if (actuators.length === 0 || actuators.some((meter) => policy.maySet(person, meter))) return;
  policy.checkSet(person, actuators[0], actuators[0].range.min);
}

async function hold(
  context: Context,
  machine: PowerMachine,
  session: PowerSession,
  { flags, watts, argv, asked }: CapRequest,
): Promise<CapOutcome> {
  const { registry, kernel } = machine;
  const { window: windowSeconds, celsius } = flags;
  using program = flags.follow ? followingProgram(context, machine) : null;
  const runtime = program ?? undefined;
  const governor = watts === null
    ? null
    : Governor.open({ registry, session, runtime, windowSeconds, limitCelsius: celsius ?? null, packages: flags.package });
  const settings = (flags.set ?? []).map(({ name, value }) => session.set(name, value));
  const tallies = new Map((governor?.packages ?? []).map((id) => [id, new CapTally(windowSeconds)]));
  const periodSeconds = flags.period ?? Math.max(stepSecondsMin, Math.min(stepSecondsMax, windowSeconds / stepsPerWindow));
  const meters = usualMeters(machine, isTraced);
  const rows = new CapRows(machine, meters, Math.max(rowSecondsMin, periodSeconds), governor?.packages ?? [], wantsRows(flags));
  const packages = governor?.packages.map((id) => `package${id}`).join(", ");
  if (argv.length === 0) {
    const what = governor === null ? "settings are made" : `${packages} held at ${watts} W${tallies.size > 1 ? " each" : ""}`;
    const until = flags.for === undefined ? "until Ctrl-C" : `for ${flags.for} s`;
    context.say(`nodeos: ${what} ${until}; then everything goes back`);
  }
  const onStart = (pid: number) => program?.started(pid);
  const end = await during(kernel, { argv, seconds: flags.for, periodSeconds, addEnv: program?.env, onStart, asked }, () => {
    const records = governor?.step(watts!, clockNs()) ?? [];
    for (const record of records) tallies.get(record.package)!.add(record);
    rows.add(records);
  });
  const summaries = [...tallies].flatMap(([id, tally]) => tally.summary(rows.meanOf(`package${id}/energy`)) ?? []);
  const heldBackPercent = new Map([...tallies.keys()].flatMap((id) => {
    const percent = rows.meanOf(`package${id}/throttled-time`);
    return percent === null ? [] : [[id, percent] as const];
  }));
  if (governor?.isRuntimeSilent) {
    const { coresMin, coresMax } = program!.limits;
    context.say(`nodeos: the program did not say how many threads it uses, and was held to ${coresMin} of its ${coresMax} CPUs`);
  }
  for (const warning of rows.warnings) context.say(`nodeos: ${warning}`);
  return { ...end, settings, summaries, trace: rows.trace(), heldBackPercent };
}

/** A program that uses as many threads as there is power for: by nodeos_cores.h, or by OpenMP. */
function followingProgram({ stateDirectory }: Context, { kernel }: PowerMachine): ProgramRuntime {
  const directory = `${stateDirectory}/power`;
  return ProgramRuntime.create({ kernel, coresMax: getAffinity(0).length, directory, hasOpenMp: true });
}
