import { Accumulator } from "../accumulator.ts";
import type { Meter } from "../meter.ts";
import type { Registry } from "../registry.ts";
import { consumption, type PackagePlace } from "./places.ts";

/** What was measured of a package. */
export interface PackageReading {
  /** Mean power since the reading before; `null` when it is not known. */
  readonly powerWatts: number | null;
  /** Temperature of the hottest core. */
  readonly hottestCelsius: number | null;
  /** Temperature of each core, in their order; `null` where it is not known. */
  readonly coreCelsius: readonly (number | null)[];
  /** The share of the time since the reading before in which the power limit held cores back; `null` when it is not known. */
  readonly limitedShare: number | null;
}

/** The meters of a package that steering reads, and what it makes of them. */
export class PackageMeters {
  /** Their names, in the order in which `take` expects their values. */
  readonly names: readonly string[];
  readonly #energy: readonly (Accumulator | null)[];
  readonly #throttled: readonly Accumulator[];
  readonly #hasPackageTemperature: boolean;
  readonly #coreCount: number;
  readonly #coreIndexes: readonly number[];
  #lastNs: bigint | null = null;

  constructor({ meters }: Pick<Registry, "meters">, { package: id, cores }: PackagePlace) {
    const all = meters.filter(({ permission }) => permission === null);
    const drawn = all.filter(({ name }) => consumption.exec(name)?.[1] === `${id}`);
    const energy = drawn.filter(({ kind }) => kind === "counter");
    // A counter tells the mean; a power is only what was when it was read.
    const power = energy.length > 0 ? energy : drawn;
    const isThrottled = new RegExp(`^package${id}/(?:die\\d+-)?throttled-time$`);
    const throttled = all.filter(({ name }) => isThrottled.test(name));
    const byName = new Map(all.map((meter) => [meter.name, meter]));
    const temperature = byName.get(`package${id}/temperature`);
    const ofCores = cores.map((core) => byName.get(`core${core}/temperature`));
    this.#energy = power.map((meter) => meter.kind === "counter" ? new Accumulator(meter) : null);
    this.#throttled = throttled.map((meter) => new Accumulator(meter));
    this.#hasPackageTemperature = temperature !== undefined;
    this.#coreCount = cores.length;
    this.#coreIndexes = ofCores.flatMap((meter, index) => meter === undefined ? [] : [index]);
    this.names = [...power, ...throttled, ...temperature === undefined ? [] : [temperature], ...ofCores.filter(isMeter)]
      .map(({ name }) => name);
  }

  /** Whether there is anything that tells the power. */
  get hasPower(): boolean {
    return this.#energy.length > 0;
  }

  /** Makes a reading of the values of a snapshot. */
  take(atNs: bigint, values: readonly (number | null)[]): PackageReading {
    const last = this.#lastNs;
    this.#lastNs = atNs;
    let at = 0;
    const power = this.#energy.map((sum) => wattsOf(sum, atNs, values[at++]));
    const throttled = this.#throttled.map((sum) => growthOf(sum, atNs, values[at++]));
    const temperature = this.#hasPackageTemperature ? values[at++] : null;
    const coreCelsius = new Array<number | null>(this.#coreCount).fill(null);
    for (const index of this.#coreIndexes) coreCelsius[index] = values[at++];
    const hottest = Math.max(...coreCelsius.filter((celsius) => celsius !== null));
    return {
      powerWatts: last === null ? null : total(power),
      hottestCelsius: temperature ?? (Number.isFinite(hottest) ? hottest : null),
      coreCelsius,
      limitedShare: throttled.length === 0 || last === null ? null : Math.max(...throttled.map((share) => share ?? 0)),
    };
  }
}

function isMeter(meter: Meter | undefined): meter is Meter {
  return meter !== undefined;
}

function wattsOf(sum: Accumulator | null, atNs: bigint, value: number | null): number | null {
  return sum === null ? value : growthOf(sum, atNs, value);
}

/** How fast a counter grows; `null` when that is not known for sure. */
function growthOf(sum: Accumulator, atNs: bigint, value: number | null): number | null {
  if (value === null) return null;
  const { delta, seconds, warning } = sum.add(atNs, value);
  return seconds > 0 && warning === null ? delta / seconds : null;
}

function total(values: readonly (number | null)[]): number | null {
  return values.reduce((sum, value) => sum === null || value === null ? null : sum + value, 0);
}
