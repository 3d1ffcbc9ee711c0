import type { Attribution } from "../../lib/noise/attribution.ts";
import type { NoiseMeasurement } from "../../lib/noise/measure.ts";
import type { NoiseRequest } from "../../lib/noise/sample.ts";
import { noiseStatistics } from "../../lib/noise/statistics.ts";
import { formatNs } from "../../lib/report/quantity.ts";
import { type Column, table } from "../../lib/report/table.ts";
import { formatPercent } from "../noise_charts.ts";

/** A measurement and what was asked for. */
export interface Measured extends NoiseMeasurement {
  /** What was asked for. */
  readonly request: NoiseRequest;
  /** The container that was sampled in. */
  readonly container?: string;
}

const attributionsShownMax = 8;

/** Percentiles and totals, one row for each mode. */
export function statisticsTable(measured: readonly Measured[]): string {
  const right = (title: string): Column => ({ title, right: true });
  const columns = [{ title: "MODE" }, ...["LOST", "PER SECOND", "P50", "P90", "P99", "P99.9", "P99.99", "LONGEST"].map(right)];
  return table(
    columns,
    measured.map(({ samples }) => {
      const { lostPercent, detoursPerSecond, percentilesNs } = noiseStatistics(samples);
      const { p50, p90, p99, p99_9, p99_99, max } = percentilesNs;
      return [samples.mode, formatPercent(lostPercent), formatRate(detoursPerSecond), ...[p50, p90, p99, p99_9, p99_99, max].map(formatNs)];
    }),
  );
}

/** What ran there, the costliest first. */
export function attributionTable(attributions: readonly Attribution[]): string {
  const columns = [{ title: "RAN THERE" }, { title: "KIND" }, ...["COUNT", "PER SECOND", "TIME"].map((title) => ({ title, right: true }))];
  return table(
    columns,
    attributions.slice(0, attributionsShownMax).map(({ source, kind, count, perSecond, timeNs }) => [
      source,
      kind,
      `${count}`,
      formatRate(perSecond),
      timeNs === undefined ? "" : formatNs(timeNs),
    ]),
  );
}

/** What it means, in sentences. */
export function meaning({ request, container, samples, attributions }: Measured): string {
  const { lostNs, lostPercent, detoursPerSecond, worstNs } = noiseStatistics(samples);
  const duration = formatNs(samples.durationNs);
  if (lostNs === 0) return `Nothing took CPU ${request.cpu} away for ${formatNs(samples.thresholdNs)} or longer in ${duration}.`;
  const sentences = [
    `CPU ${request.cpu} was elsewhere for ${formatPercent(lostPercent)} of ${duration}, ${
      formatRate(detoursPerSecond)
    } times per second; the longest absence took ${formatNs(worstNs)}.`,
    mainCause(attributions, lostNs, detoursPerSecond, container),
  ];
  if (samples.truncatedCount > 0) {
    sentences.push(
      `${samples.truncatedCount} samples found no room: the percentiles are of those before, totals and the longest are of all.`,
    );
  }
  if (!samples.locked) sentences.push("The samples could not be locked in memory (ulimit -l), so that a page fault may count as noise.");
  return sentences.join(" ");
}

/** The largest part of the noise that the kernel's counters explain, and what helps. */
function mainCause(attributions: readonly Attribution[], lostNs: number, detoursPerSecond: number, container?: string): string {
  const timeOf = (kind: Attribution["kind"]) => attributions.reduce((sum, one) => sum + (one.kind === kind ? one.timeNs ?? 0 : 0), 0);
  const [task] = attributions.filter(({ kind }) => kind === "task");
  if (task && timeOf("task") > 0.3 * lostNs) {
    const remedy = task.isPinned
      ? "it is bound to this CPU"
      : container === undefined
      ? "a Compute Container keeps it away"
      : "it shares the container";
    return `Most of that went to other threads, first of all ${task.source} (up to ${formatNs(task.timeNs ?? 0)}): ${remedy}.`;
  }
  if (timeOf("steal") > 0.3 * lostNs) return "Most of that was taken by the hypervisor: nothing inside this machine can change it.";
  const [interrupt] = attributions.filter(({ kind }) => kind === "interrupt");
  if (interrupt?.source.startsWith("LOC ")) {
    return `Most of that is the kernel's timer tick, ${formatRate(interrupt.perSecond)} per second: only nohz_full at boot takes it away.`;
  }
  if (interrupt && interrupt.perSecond > 0.2 * detoursPerSecond) {
    return `Most of that are interrupts, first of all ${interrupt.source}, ${formatRate(interrupt.perSecond)} per second.`;
  }
  return "The kernel's counters do not explain it: firmware, the hypervisor or memory of other cores remain.";
}

/** A rate with as many digits as it needs. */
function formatRate(perSecond: number): string {
  return perSecond >= 100 ? perSecond.toFixed(0) : `${Number(perSecond.toPrecision(2))}`;
}
