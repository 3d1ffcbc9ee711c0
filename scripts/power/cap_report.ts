import type { Setting } from "../../lib/power/access/session.ts";
import type { ProgressReport } from "../../lib/power/governor/progress_cap.ts";
import { formatValue } from "../../lib/power/meter.ts";
import type { Trace } from "../../lib/power/trace/trace.ts";
import { table } from "../../lib/report/table.ts";
import type { CapSummary } from "./cap_summary.ts";
import type { SpanEnd } from "./span.ts";
import { showSeconds, showWhole } from "./words.ts";

/** What is written down of a run. */
export interface CapOutcome extends SpanEnd {
  /** Actuators that were set by name. */
  readonly settings: readonly Setting[];
  /** How the cap was kept, for each package. */
  readonly summaries: readonly CapSummary[];
  /** What the program did, and the cap that it needs; `null` when nobody asked for that. */
  readonly progress: ProgressReport | null;
  /** Meters over time. */
  readonly trace: Trace;
  /** The share of the time that the hardware held a package back, by its number. */
  readonly heldBackPercent: ReadonlyMap<number, number>;
}

/** What was asked for. */
export interface ReportFlags {
  /** The time over which the mean counts, in seconds. */
  readonly window: number;
  /** What the hottest core should not exceed. */
  readonly celsius?: number;
}

/** As a document. */
export function describeCap(
  { code, by, seconds, settings, summaries, progress, heldBackPercent }: CapOutcome,
  flags: ReportFlags,
  argv: readonly string[],
) {
  return {
    program: argv,
    exitCode: argv.length === 0 ? null : code,
    endedBy: by,
    seconds,
    windowSeconds: flags.window,
    limitCelsius: flags.celsius ?? null,
    packages: summaries.map((summary) => ({ ...summary, heldBackPercent: heldBackPercent.get(summary.package) ?? null })),
    progress,
    set: settings,
  };
}

/** For people. */
export function renderCap(
  { code, seconds, settings, summaries, progress, heldBackPercent }: CapOutcome,
  flags: ReportFlags,
  argv: readonly string[],
): string {
  const right = (title: string) => ({ title, right: true });
  const who = argv.length === 0
    ? `It lasted ${showSeconds(seconds)}`
    : `${argv.join(" ")} took ${showSeconds(seconds)} and ended with ${code}`;
  const lines = [`\nnodeos: ${who}`];
  if (summaries.length > 0) {
    lines.push(
      "",
      table(
        [{ title: "PACKAGE" }, right("CAP"), right("MEAN"), right("WORST WINDOW"), right("ABOVE"), right("HELD BACK"), right("HOTTEST"), {
          title: "BY",
        }],
        summaries.map((summary) => row(summary, heldBackPercent.get(summary.package) ?? null)),
      ),
      "",
      ...summaries.filter(({ isOutOfReach }) => isOutOfReach).map(({ package: id, capWatts, lastWindowWatts }) =>
        `The cap is out of reach: package${id} draws ${showWhole(lastWindowWatts, "W")}, and cannot be brought to ${capWatts} W.`
      ),
      `A window is ${flags.window} s. ABOVE is how long the mean of a window was over the cap by more than 2 %, after three windows.`,
    );
  }
  if (progress !== null && progress.highestHz !== null) lines.push(renderProgress(progress));
  for (const { name, asked, value } of settings) lines.push(`set ${name} to ${value}${value === asked ? "" : ` (asked for ${asked})`}`);
  return lines.join("\n");
}

function renderProgress({ highestHz, wantedHz, meanHz, capMaxWatts, capWatts }: ProgressReport): string {
  const [mean, highest, wanted] = [meanHz, highestHz, wantedHz].map((value) => value === null ? "-" : Number(value.toPrecision(4)));
  const [most, found] = [showWhole(capMaxWatts, "W"), showWhole(capWatts, "W")];
  return `Progress: ${mean} heartbeats per second of ${highest} at ${most}; wanted ${wanted}. The cap came to ${found}.`;
}

/** Why a cap was not chosen by progress, and what helps. */
export function progressRefusal({ heartbeats, capMaxWatts }: ProgressReport): string {
  const why = heartbeats === 0 ? "the program sent no heartbeats" : `of its ${heartbeats} heartbeats nobody can tell how fast it is`;
  const remedy = heartbeats === 0
    ? "Call nodeos_heartbeat() after each piece of work: see CORES.md, of nodeos_cores.h"
    : "Let it run longer, or do smaller pieces of work: it takes some seconds with heartbeats";
  return `Cannot cap by progress: ${why}; the cap was ${showWhole(capMaxWatts, "W")} all the time\n  ${remedy}`;
}

function row(summary: CapSummary, heldBackPercent: number | null): string[] {
  const { meanWatts, worstWindowWatts, aboveSeconds, hottestCelsius, hardwareShare } = summary;
  const { frequencyMinHz, dutyMinShare, activeCoresMin, activeCoresMax } = summary;
  const software = [
    `frequency to ${showWhole(frequencyMinHz, "Hz")}`,
    ...dutyMinShare < 1 ? [`duty cycle to ${(100 * dutyMinShare).toFixed(0)} %`] : [],
    ...activeCoresMin < activeCoresMax ? [`cores from ${activeCoresMax} to ${activeCoresMin}`] : [],
  ].join(", ");
  return [
    `package${summary.package}`,
    formatValue(summary.capWatts, "W"),
    showWhole(meanWatts, "W"),
    showWhole(worstWindowWatts, "W"),
    showSeconds(aboveSeconds),
    heldBackPercent === null ? "-" : `${Math.min(100, heldBackPercent).toFixed(0)} %`,
    showWhole(hottestCelsius, "degC"),
    hardwareShare > 0.99 ? "hardware" : hardwareShare < 0.01 ? software : `hardware ${(100 * hardwareShare).toFixed(0)} %; ${software}`,
  ];
}
