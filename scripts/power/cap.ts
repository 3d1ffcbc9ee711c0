import { clockNs } from "../../ffi/mod.ts";
import { getAffinity } from "../../ffi/task.ts";
import { RefusedError, UsageError } from "../../lib/errors.ts";
import { readTopology } from "../../lib/kernel/topology.ts";
import type { Drift } from "../../lib/plan/executor.ts";
import { PowerSession } from "../../lib/power/access/session.ts";
import { Governor, type GovernorRecord } from "../../lib/power/governor/governor.ts";
import type { Meter } from "../../lib/power/meter.ts";
import { removeDeadPages } from "../../lib/power/governor/cores_page.ts";
import { ProgramRuntime } from "../../lib/power/governor/program.ts";
import type { Context } from "../context.ts";
import { type CapOutcome, describeCap, progressRefusal, renderCap } from "./cap_report.ts";
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
  /** The progress that is enough: the cap becomes as low as that leaves room for. */
  readonly progress?: ProgressTarget;
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

/** A share of the progress at the highest cap, or heartbeats per second. */
export type ProgressTarget = { readonly share: number } | { readonly hz: number };

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
/** A program that is to be capped by its heartbeats, and sends none for so long, may not know of it. */
const silentSeconds = 10;

/** Keeps packages below a cap, or sets actuators, until a program or a time ends, and puts everything back. */
export default async function cap(this: Context, flags: CapFlags, ...words: string[]): Promise<void> {
  const { watts, argv } = split(words, flags.set !== undefined || flags.progress !== undefined);
  checkFlags(flags, watts, argv);
  const isCapping = watts !== null || flags.progress !== undefined;
  const output = flags.output ?? (flags.json ? stdout : undefined);
  checkOutputs([output, flags.svg]);
  using machine = await openPower(this);
  checkCanSet(machine, isCapping, watts);
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

function checkFlags({ follow, progress, celsius, package: packages }: CapFlags, watts: number | null, argv: readonly string[]): void {
  const isCapping = watts !== null || progress !== undefined;
  if (progress !== undefined && argv.length === 0) {
    throw new UsageError("Cannot cap by progress: there is no program that makes any", {
      remedy: "Give one that sends heartbeats: nodeos power cap --progress 90% -- ./solver in.dat",
    });
  }
  if (follow && (!isCapping || argv.length === 0)) {
    throw new UsageError("Cannot let a program follow: it takes a cap and a program", {
      remedy: "Give both: nodeos power cap 60 --follow -- ./solver in.dat",
    });
  }
  if (!isCapping && (celsius !== undefined || packages !== undefined)) {
    throw new UsageError("Cannot use --celsius and --package without a cap", { remedy: "Say the watts of each package first" });
  }
}

/** What can be set, or could if it were not locked, or if this user were another one. */
function actuatorsOf({ meters }: PowerMachine["registry"]): Meter[] {
  return meters.filter(({ isWritable, obstacle }) => isWritable || obstacle !== undefined);
}

/** Most virtual machines have nothing of it. What is only locked has a reason of its own. */
function checkCanSet({ registry }: PowerMachine, isCapping: boolean, watts: number | null): void {
  const canSet = actuatorsOf(registry).length > 0;
  const tells = registry.meters.some((meter) => isPower(meter) && meter.domain.kind === "package");
  if (canSet && (tells || !isCapping)) return;
  const what = canSet ? "this machine does not tell what its packages draw" : "nothing on this machine sets power";
  throw new RefusedError(`Cannot ${isCapping ? "cap" : "set"} power: ${what}`, {
    remedy: "See what is lacking: nodeos power list --lacks\n" +
      `  See how it works on a simulated package: nodeos power simulate -- nodeos power cap ${watts ?? 120} --for 10s`,
  });
}

/** Who may set nothing is told so, and not that the journal cannot be written. */
function checkMaySet({ registry, policy, person }: PowerMachine): void {
  const actuators = actuatorsOf(registry);
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
  const { window: windowSeconds, celsius, progress } = flags;
  using program = flags.follow || progress !== undefined ? followingProgram(context, machine, flags.follow) : null;
  const governor = watts === null && progress === undefined ? null : Governor.open({
    registry,
    session,
    runtime: program ?? undefined,
    windowSeconds,
    limitCelsius: celsius ?? null,
    packages: flags.package,
    progress: progress && { wanted: progress, ...watts === null ? {} : { capMaxWatts: watts } },
  });
  const capWatts = watts ?? governor?.progress?.capMaxWatts ?? 0;
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
  let silentNs = clockNs() + BigInt(silentSeconds) * 1_000_000_000n;
  const onStart = (pid: number) => program?.started(pid);
  const end = await during(kernel, { argv, seconds: flags.for, periodSeconds, addEnv: program?.env, onStart, asked }, () => {
    const records = stepOf(governor, capWatts, (reason) => argv.length > 0 && context.say(`nodeos: ${reason}; the program goes on`));
    // What progress leaves of the cap is its own choice: the cap is kept or not.
    for (const record of records) tallies.get(record.package)!.add({ ...record, capWatts });
    rows.add(records);
    if (governor?.progress?.heartbeats === 0 && clockNs() > silentNs) {
      silentNs = 1n << 63n;
      context.say(`nodeos: the program has sent no heartbeats for ${silentSeconds} s: the cap stays at ${capWatts} W until it does`);
    }
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
  const made = governor?.progress ?? null;
  if (made !== null && made.highestHz === null) context.say(`nodeos: ${progressRefusal(made)}`);
  return { ...end, settings, summaries, progress: made, trace: rows.trace(), heldBackPercent };
}

/** A program may go on for days after nothing can be capped any more: that is said at once, and is an error in the end. */
function stepOf(governor: Governor | null, capWatts: number, onRefusal: (reason: string) => void): readonly GovernorRecord[] {
  try {
    return governor?.step(capWatts, clockNs()) ?? [];
  } catch (error) {
    if (error instanceof RefusedError) onRefusal(error.message);
    throw error;
  }
}

/**
 * A program that sends heartbeats, and where it shall follow uses as many threads as there is power for: by nodeos_cores.h, or by OpenMP.
 */
function followingProgram({ stateDirectory }: Context, { kernel }: PowerMachine, follows: boolean): ProgramRuntime {
  const options = { kernel, directory: `${stateDirectory}/power` };
  if (follows) return ProgramRuntime.create({ ...options, coresMax: getAffinity(0).length, hasOpenMp: true });
  // It is asked for nothing: the fewest cores are all of them.
  const cores = readTopology(kernel).onlineCpus.length;
  return ProgramRuntime.create({ ...options, coresMin: cores, coresMax: cores });
}
