import { UsageError } from "../../errors.ts";

/** One combination of what software can set at once to make a package draw less. */
export interface Rung {
  /** Ceiling of the frequency of every core. */
  readonly frequencyHz: number;
  /** Clock modulation: how many of 16 periods the clock runs. */
  readonly dutySixteenths: number;
  /** What a typical part draws on this rung under full load. */
  readonly nominalWatts: number;
}

/** Rungs for a number of busy cores, in ascending order of power; at least two. */
export type Ladder = readonly Rung[];

/** A ladder for each number of cores that a runtime can be shrunk to. */
export type Ladders = ReadonlyMap<number, Ladder>;

/** What a ladder is built of. */
export interface LadderPlatform {
  /** The lowest frequency. */
  readonly minHz: number;
  /** The nominal frequency: at this one, a typical part draws `baseWatts`. */
  readonly baseHz: number;
  /** The highest frequency. */
  readonly maxHz: number;
  /** The distance of two frequencies. */
  readonly binHz: number;
  /** Cores of the package. */
  readonly coreCount: number;
  /** Cores that a runtime keeps in any case. */
  readonly coreCountMin: number;
  /** Whether the clock can be modulated. */
  readonly hasDutyCycle: boolean;
  /** Power of a typical part at the nominal frequency, all cores busy. */
  readonly baseWatts: number;
  /** The part of it that no core draws. */
  readonly uncoreWatts: number;
  /** The part of it that cores draw at any frequency. */
  readonly staticWatts: number;
}

/** Dynamic power grows as f V^2, and V with f: between f and f^3; this exponent fits server parts between the ends of their range. */
const exponent = 1.8;

/**
 * Builds the ladders of a platform: for each number of cores every frequency, and below those shorter and shorter duty cycles.
 * All count the watts of a typical part, so that a place on one is the same place on the others.
 *
 * @throws {UsageError} If the platform has no range of frequencies, or its powers are not numbers that fit together.
 */
export function buildLadders(platform: LadderPlatform): Ladders {
  const { minHz, maxHz, binHz, coreCount, coreCountMin, baseWatts, uncoreWatts, staticWatts } = platform;
  if (
    !(minHz > 0 && maxHz > minHz && binHz > 0 && coreCountMin >= 1 && coreCount >= coreCountMin) || !(baseWatts > uncoreWatts + staticWatts)
  ) {
    throw new UsageError("Cannot cap power by software: the platform has no range of frequencies, cores and watts to choose from");
  }
  return new Map(range(coreCountMin, coreCount).map((cores) => [cores, ladderOf(platform, cores)]));
}

function ladderOf(platform: LadderPlatform, cores: number): Ladder {
  const { minHz, baseHz, maxHz, binHz, coreCount, hasDutyCycle, baseWatts, uncoreWatts, staticWatts } = platform;
  const dynamicWatts = baseWatts - uncoreWatts - staticWatts;
  const rung = (frequencyHz: number, dutySixteenths: number): Rung => ({
    frequencyHz,
    dutySixteenths,
    nominalWatts: uncoreWatts +
      cores / coreCount * (staticWatts + dynamicWatts * (frequencyHz / baseHz) ** exponent * dutySixteenths / 16),
  });
  const bins = Math.floor((maxHz - minHz) / binHz + 1e-9);
  return [
    ...spaced([...(hasDutyCycle ? range(1, 15).map((duty) => rung(minHz, duty)) : []), rung(minHz, 16)], baseWatts / 100),
    ...range(1, bins).map((bin) => rung(minHz + bin * binHz, 16)),
  ];
}

/** What a typical part draws at its lowest frequency on this ladder, without shorter duty cycles. */
export function foot(ladder: Ladder): number {
  return (ladder.find(({ dutySixteenths }) => dutySixteenths === 16) ?? ladder[0]).nominalWatts;
}

/** Leaves rungs out that are nearer than `gapWatts` to the next one above: a meter could not tell them apart. */
function spaced(rungs: readonly Rung[], gapWatts: number): Rung[] {
  const kept: Rung[] = [];
  for (const rung of rungs.toReversed()) {
    if (kept.length === 0 || kept[0].nominalWatts - rung.nominalWatts >= gapWatts) kept.unshift(rung);
  }
  return kept;
}

function range(first: number, last: number): number[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index);
}

/** Index of the highest rung whose nominal power is not above `watts`; 0 when there is none. */
export function rungBelow(ladder: Ladder, watts: number): number {
  const above = ladder.findIndex(({ nominalWatts }) => nominalWatts > watts);
  return above < 0 ? ladder.length - 1 : Math.max(0, above - 1);
}
