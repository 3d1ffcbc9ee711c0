import type { MeterSummary } from "../../lib/power/trace/recorder.ts";

/** Any part of a machine takes energy within this time. */
const stillSecondsMin = 0.5;

/** Counters of energy that did not move, as virtual machines show them; none when the time was too short to tell. */
export function stoodStill(summaries: readonly MeterSummary[], seconds: number): MeterSummary[] {
  return seconds < stillSecondsMin ? [] : summaries.filter(({ meter: { unit }, total }) => unit === "J" && total === 0);
}

/** Says so. */
export function stillWords(still: readonly MeterSummary[]): string {
  return `nodeos: ${still.map(({ meter: { name } }) => name).join(", ")} stood still: there is nothing behind it here`;
}
