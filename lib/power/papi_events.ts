import { UsageError } from "../errors.ts";
import type { Meter, Unit } from "./meter.ts";

/** How a unit becomes whole numbers, which is all that tools of PAPI print. */
interface WholeUnit {
  readonly suffix: string;
  /** How many of the small unit make the large one. */
  readonly scale: number;
}

const wholeUnits: Readonly<Record<Unit, WholeUnit & { readonly words: string }>> = {
  J: { suffix: "_uj", scale: 1e6, words: "microjoules" },
  W: { suffix: "_uw", scale: 1e6, words: "microwatts" },
  Hz: { suffix: "_hz", scale: 1, words: "hertz" },
  degC: { suffix: "_mdegc", scale: 1e3, words: "thousandths of a degree Celsius" },
  s: { suffix: "_us", scale: 1e6, words: "microseconds" },
  "%": { suffix: "_ppm", scale: 1e4, words: "parts of a million" },
  count: { suffix: "", scale: 1, words: "" },
};

/** One event of PAPI: a meter as whole numbers. */
export interface PowerEvent {
  /** Its name as tools of PAPI take it, such as `sde:::nodeos::package0_energy_uj`. */
  readonly name: string;
  /** What it is, in words. */
  readonly doc: string;
  /** Unit of the meter. */
  readonly unit: Unit;
  /** A counter begins at 0 when a program starts to count. */
  readonly kind: Meter["kind"];
  /** How many of the event's unit make the meter's. */
  readonly scale: number;
}

/** What all of our events begin with. */
export const eventPrefix = "sde:::nodeos::";
/** Bytes of a name without that, at most. */
const nameBytesMax = 95;

/**
 * The event that shows a meter.
 *
 * @throws {UsageError} If the name of the meter is too long, or not of letters, digits, `/`, `-`, `_`, `.` and `:`.
 */
export function eventOf({ name, unit, kind, provenance }: Pick<Meter, "name" | "unit" | "kind" | "provenance">): PowerEvent {
  const { suffix, scale, words } = wholeUnits[unit];
  const word = `${name.replace(/[^A-Za-z0-9]/g, "_")}${suffix}`;
  if (!/^[\w/.:-]+$/.test(name) || word.length > nameBytesMax) {
    throw new UsageError(
      `Cannot make an event of ${JSON.stringify(name)}: PAPI takes letters, digits and _, at most ${nameBytesMax} of them`,
    );
  }
  return { name: `${eventPrefix}${word}`, doc: words === "" ? provenance : `${provenance}, in ${words}`, unit, kind, scale };
}

/** What an event of ours counts, by its name alone; `null` for those of others. */
export function parseEventName(name: string): Pick<PowerEvent, "unit" | "kind" | "scale"> | null {
  if (!name.startsWith(eventPrefix)) return null;
  const found = Object.entries(wholeUnits).find(([, { suffix }]) => suffix !== "" && name.endsWith(suffix));
  if (found === undefined) return { unit: "count", kind: "gauge", scale: 1 };
  const [unit, { scale }] = found as [Unit, WholeUnit];
  // Time is that of an actuator, such as the window of a power limit.
  return { unit, kind: unit === "J" ? "counter" : "gauge", scale };
}
