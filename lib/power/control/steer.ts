import { UsageError } from "../../errors.ts";
import type { PowerInfo } from "../registers.ts";
import { capping, type CappingState, type CappingTuning, climbOver } from "./capping.ts";
import { type Answer, clamp, type Controller } from "./controller.ts";
import { foot, type Ladders, type Rung } from "./ladder.ts";
import { type ShrinkState, startShrink, stepShrink } from "./shrink.ts";
import { thermalControl, type ThermalModel, type ThermalSetting, type ThermalState } from "./thermal.ts";
import { trimming, type TrimState } from "./trim.ts";

/** What steering a package needs to know. */
export interface PackageMeasurement {
  /** Mean power since the step before; `null` when the poll was missed. */
  readonly powerWatts: number | null;
  /** Temperature of the hottest core; `null` when it is not known. */
  readonly hottestCelsius: number | null;
  /** Whether a power limit of the hardware can be set: there is one, it is not locked, and it may be written. */
  readonly canLimit: boolean;
  /** Whether the hardware holds cores back because of that limit. */
  readonly isLimiting: boolean;
  /** Cores that run threads now. */
  readonly activeCores: number;
}

/** What is wanted of a package. */
export interface PackageSetpoint {
  /** The cap. */
  readonly capWatts: number;
  /** The time over which the mean counts. */
  readonly windowSeconds: number;
  /** What the hottest core shall not exceed; `null` without temperature control. */
  readonly limitCelsius: number | null;
}

/** What is to be set on a package. */
export interface PackageSetting {
  /** Who caps: the limit of the hardware, or a rung of the ladder. */
  readonly by: "hardware" | "software";
  /** The limit for the hardware; `null` when it cannot be set. */
  readonly limit: { readonly limitWatts: number; readonly windowSeconds: number } | null;
  /** Frequency and duty cycle of the cores. */
  readonly rung: Rung;
  /** Cores that the runtime should use. */
  readonly wantedCores: number;
  /** What the temperature leaves room for; `null` without temperature control. */
  readonly thermal: ThermalSetting | null;
}

/** What is remembered. */
export interface PackageState {
  /** Of the trim of the hardware's limit. */
  readonly trim: TrimState;
  /** Of software capping; `null` while the hardware caps. */
  readonly capping: CappingState | null;
  /** The ladder that software capping stands on, by its number of cores. */
  readonly ladderCores: number;
  /** Of the number of cores. */
  readonly shrink: ShrinkState;
  /** Of temperature control. */
  readonly thermal: ThermalState | null;
}

/** A package to be steered. */
export interface PackagePlatform {
  /** What software can set. */
  readonly ladders: Ladders;
  /** What the hardware can be limited to. */
  readonly info: PowerInfo;
  /** How it conducts heat; `null` without temperature control. */
  readonly thermal: ThermalModel | null;
}

/** A limit that hardware cannot hold with all cores at their lowest frequency is left to software. */
const floorShare = 1.06;
/** Over a shorter window the hardware has no time to alternate between frequencies, and stays further below its limit by itself. */
const shortSeconds = 0.05;
/** The hardware averages over a part of a long window, so that the trim has time within the window; short ones are its own. */
const hardwareWindow = (windowSeconds: number) => Math.max(windowSeconds / 4, Math.min(windowSeconds, 0.02));

/**
 * Keeps a package below a cap and, where wanted, its cores below a temperature.
 *
 * The hardware's limit, trimmed, does it where there is one that can be set, is not locked and reaches low enough; otherwise
 * software does by frequency and duty cycle, and by fewer cores as soon as the runtime follows, beneath a hardware limit as low as can be.
 *
 * Its steps throw a `UsageError` for a cap or a window that is none, and a `RangeError` when no time has passed.
 */
export function steering(
  { ladders, info, thermal: model }: PackagePlatform,
  tuning: Partial<CappingTuning> = {},
): Controller<PackageState, PackageMeasurement, PackageSetpoint, PackageSetting> {
  const cappers = new Map([...ladders].map(([cores, ladder]) => [cores, capping(ladder, tuning)]));
  const allCores = Math.max(...ladders.keys());
  const top = ladders.get(allCores)!.at(-1)!;
  const heat = model === null ? null : thermalControl(model);
  const guardShare = tuning.guardShare ?? 0.004;
  const lowestWatts = info.minWatts || 1;
  const reachWatts = Math.max(lowestWatts, foot(ladders.get(allCores)!) * floorShare);
  const clip = (watts: number) => clamp(watts, lowestWatts, info.maxWatts || Infinity);

  return {
    start: () => ({
      trim: trimming.start(),
      capping: null,
      ladderCores: allCores,
      shrink: startShrink(ladders),
      thermal: heat?.start() ?? null,
    }),
    step(state, measured, setpoint, dtSeconds) {
      refuseWrong(setpoint, dtSeconds);
      const measurement = { ...measured, powerWatts: plausible(measured.powerWatts), hottestCelsius: plausible(measured.hottestCelsius) };
      const warmth = heat !== null && state.thermal !== null && setpoint.limitCelsius !== null
        ? heat.step(state.thermal, measurement, { limitCelsius: setpoint.limitCelsius }, dtSeconds)
        : null;
      const capWatts = Math.min(setpoint.capWatts, warmth?.setting.ceilingWatts ?? Infinity);
      const known = { ...state, thermal: warmth?.state ?? state.thermal };
      const byHardware = measurement.canLimit && capWatts >= reachWatts;
      const { state: capped, setting } = byHardware
        ? limitHardware(known, measurement, capWatts, setpoint, dtSeconds)
        : capBySoftware(known, measurement, capWatts, setpoint, dtSeconds);
      const shrink = stepShrink(state.shrink, ladders, placeOf(capped), dtSeconds);
      return {
        state: { ...capped, shrink },
        setting: { ...setting, wantedCores: shrink.wantedCores, thermal: warmth?.setting ?? null },
      };
    },
  };

  function limitHardware(
    state: PackageState,
    measurement: PackageMeasurement,
    capWatts: number,
    setpoint: PackageSetpoint,
    dtSeconds: number,
  ): Answer<PackageState, Capped> {
    const { windowSeconds } = setpoint;
    const guard = windowSeconds < shortSeconds ? guardShare / 2 : guardShare;
    const target = { targetWatts: capWatts * (1 - guard), windowSeconds: Math.max(windowSeconds, 5 * dtSeconds) };
    // While the temperature decides, its own feedback does, too; the trim would take a throttled package for a weak limit.
    const isTrimmed = capWatts === setpoint.capWatts;
    const trim = trimming.step(state.trim, { ...measurement, powerWatts: isTrimmed ? measurement.powerWatts : null }, target, dtSeconds);
    const limit = { limitWatts: clip(trim.setting), windowSeconds: hardwareWindow(windowSeconds) };
    return { state: { ...state, trim: trim.state, capping: null }, setting: { by: "hardware", limit, rung: top } };
  }

  function capBySoftware(
    state: PackageState,
    measurement: PackageMeasurement,
    capWatts: number,
    { windowSeconds }: PackageSetpoint,
    dtSeconds: number,
  ): Answer<PackageState, Capped> {
    const cores = nearest(measurement.activeCores);
    const before = state.capping === null ? cores : state.ladderCores;
    const capper = cappers.get(before)!;
    const stepped = capper.step(state.capping ?? capper.start(), measurement, { capWatts, windowSeconds }, dtSeconds);
    const { state: next, setting: rung } = cores === before ? stepped : climbOver(stepped.state, ladders.get(cores)!);
    const limit = measurement.canLimit ? { limitWatts: clip(capWatts), windowSeconds: hardwareWindow(windowSeconds) } : null;
    return {
      state: { ...state, trim: trimming.start(), capping: next, ladderCores: cores },
      setting: { by: "software", limit, rung },
    };
  }

  /** Where software capping would stand, were its ladder longer: at either end, what is drawn too much or too little counts. */
  function placeOf({ capping, ladderCores }: PackageState): number {
    if (capping === null) return Infinity;
    const ladder = ladders.get(ladderCores)!;
    const below = capping.positionWatts <= ladder[0].nominalWatts ? Math.min(0, capping.errorWatts) : 0;
    const above = capping.positionWatts >= ladder.at(-1)!.nominalWatts ? Math.max(0, capping.errorWatts) : 0;
    return capping.positionWatts + below + above;
  }

  function nearest(cores: number): number {
    return clamp(Math.round(cores), Math.min(...ladders.keys()), allCores);
  }
}

/** A reading of a device that has just vanished is none. */
function plausible(value: number | null): number | null {
  return value !== null && Number.isFinite(value) && value >= 0 ? value : null;
}

function refuseWrong({ capWatts, windowSeconds, limitCelsius }: PackageSetpoint, dtSeconds: number): void {
  if (!(capWatts > 0) || !(windowSeconds > 0) || Number.isNaN(limitCelsius)) {
    throw new UsageError(`Cannot keep a package below ${capWatts} W over ${windowSeconds} s and ${limitCelsius ?? "any"} degrees`, {
      remedy: "Give a cap and a window above 0",
    });
  }
  if (!(dtSeconds > 0)) throw new RangeError(`Cannot take a step of ${dtSeconds} s: time goes forward`);
}

type Capped = Pick<PackageSetting, "by" | "limit" | "rung">;
