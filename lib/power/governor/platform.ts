import { buildLadders, type Ladders } from "../control/ladder.ts";
import type { PowerInfo } from "../registers.ts";
import type { Registry } from "../registry.ts";
import type { FoundActuators } from "./actuators.ts";
import { guessTdpWatts, type TypicalPart, typicalPart } from "./part.ts";
import type { PackagePlace } from "./places.ts";

/** What is known of a package before it is steered. */
export interface KnownPackage {
  /** A typical part of its size. */
  readonly part: TypicalPart;
  /** What it can be limited to. */
  readonly info: PowerInfo;
  /** Frequencies that may be chosen: the highest is the one that was allowed before. */
  readonly minHz: number;
  /** See {@link minHz}. */
  readonly maxHz: number;
}

/** Of a package whose frequency cannot be set, the duty cycle has to do; the rungs need some frequency. */
const [someHz, stepHz] = [2.4e9, 1e8];

/** Reads what a package can be set to. */
export function knowPackage(registry: Pick<Registry, "all" | "reader">, place: PackagePlace, found: FoundActuators): KnownPackage {
  const { limits, shown, frequencies } = found;
  const read = registry.reader([...shown, ...frequencies].map(({ name }) => name))().values;
  const limitWatts = sum(read.slice(0, shown.length).map((value) => value ?? 0));
  const ceilings = read.slice(shown.length).filter((value) => value !== null);
  const minHz = frequencies.length > 0 ? Math.max(...frequencies.map(({ range }) => range.min)) : someHz;
  const highestHz = frequencies.length > 0 ? Math.max(...frequencies.map(({ range }) => range.max)) : someHz + stepHz;
  const tdpWatts = zoneWatts(registry, place.package) ?? (limitWatts > 0 ? limitWatts : guessTdpWatts(place.cores.length));
  const windows = limits.map(({ window }) => window?.range.max ?? 0);
  return {
    part: typicalPart(tdpWatts, Math.max(1, place.cores.length), minHz, highestHz),
    info: {
      tdpWatts,
      minWatts: sum(limits.map(({ power }) => power.range.min)),
      maxWatts: sum(limits.map(({ power }) => power.range.max)),
      windowMaxSeconds: Math.min(...windows, Infinity) === Infinity ? 0 : Math.min(...windows),
    },
    minHz,
    maxHz: Math.max(minHz + stepHz, Math.min(highestHz, Math.max(0, ...ceilings) || highestHz)),
  };
}

/** The kernel's zone says what a package is made for, where its register only says what it can be set to. */
function zoneWatts({ all }: Pick<Registry, "all">, id: number): number | null {
  const zone = all.find(({ name, provider }) => name === `package${id}/power-limit` && provider === "powercap");
  return zone === undefined || zone.range.max >= 4095 ? null : zone.range.max;
}

/** Ladders for so many busy cores, and as few as `coresMin`. */
export function laddersOf(
  { part, minHz, maxHz }: KnownPackage,
  { cores }: PackagePlace,
  found: FoundActuators,
  busyCores: number,
  coresMin: number,
): Ladders {
  const { baseHz, binHz, baseWatts, uncoreWatts, staticWatts } = part;
  const busy = busyCores / Math.max(1, cores.length);
  return buildLadders({
    minHz,
    baseHz,
    maxHz,
    binHz,
    coreCount: busyCores,
    coreCountMin: coresMin,
    hasDutyCycle: found.duties.length > 0,
    baseWatts: uncoreWatts + busy * (baseWatts - uncoreWatts),
    uncoreWatts,
    staticWatts: busy * staticWatts,
  });
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
