import type { LadderPlatform } from "../../../../lib/power/control/ladder.ts";

/** A server part of 157 W at its nominal frequency. */
export const platform: LadderPlatform = {
  minHz: 1e9,
  baseHz: 2.4e9,
  maxHz: 3.2e9,
  binHz: 1e8,
  coreCount: 16,
  coreCountMin: 4,
  hasDutyCycle: true,
  baseWatts: 157,
  uncoreWatts: 22,
  staticWatts: 35,
};
