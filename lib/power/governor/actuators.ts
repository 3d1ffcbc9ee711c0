import { RefusedError } from "../../errors.ts";
import type { PowerSession } from "../access/session.ts";
import { clamp } from "../control/controller.ts";
import { type Rung } from "../control/ladder.ts";
import { dutySteps } from "../registers.ts";
import type { Meter } from "../meter.ts";
import type { Registry } from "../registry.ts";
import type { PackagePlace } from "./places.ts";

/** What of a package can be set. */
export interface FoundActuators {
  /** Its power limit; one for each of its dies where those have their own. */
  readonly limits: readonly { readonly power: Meter; readonly window: Meter | null }[];
  /** Limits that can be read, whether or not they can be set. */
  readonly shown: readonly Meter[];
  /** Ceilings of frequencies, one for each group of CPUs that share a clock. */
  readonly frequencies: readonly Meter[];
  /** Duty cycles; empty unless every CPU has one. */
  readonly duties: readonly Meter[];
  /** Why something that is there cannot be set, as clauses. */
  readonly obstacles: readonly string[];
}

/** Finds what of a package can be set. */
export function findActuators({ meters }: Pick<Registry, "meters">, { package: id, cpus }: PackagePlace): FoundActuators {
  const byName = new Map(meters.map((meter) => [meter.name, meter]));
  const isLimit = new RegExp(`^package${id}/(?:die\\d+-)?power-limit$`);
  const found = meters.filter(({ name, domain }) => isLimit.test(name) || domain.kind === "cpu" && cpus.has(domain.index));
  const of = (quantity: string) => found.filter(({ name, isWritable }) => name.endsWith(`/${quantity}`) && isWritable);
  const settable = /(?:power-limit|\/frequency-max|\/duty-cycle)$/;
  const limits = found.filter(({ name }) => isLimit.test(name));
  const duties = of("duty-cycle");
  return {
    limits: limits.every(({ isWritable }) => isWritable)
      ? limits.map((power) => {
        const window = byName.get(`${power.name}-window`);
        return { power, window: window?.isWritable ? window : null };
      })
      : [],
    shown: limits.filter(({ permission }) => permission === null),
    frequencies: of("frequency-max").filter(({ range }) => range.max > range.min && range.min > 0),
    duties: duties.length === cpus.size ? duties : [],
    obstacles: found.filter(({ name, isWritable }) => settable.test(name) && !isWritable)
      .map(({ name, obstacle, permission }) => `${name}: ${obstacle ?? permission ?? "it can only be read"}`),
  };
}

/** Sets what a controller wants of a package, as far as the machine takes it, and nothing that is as wanted already. */
export class PackageActuators {
  readonly #session: Pick<PowerSession, "set">;
  readonly #found: FoundActuators;
  readonly #gone = new Set<string>();
  readonly #set = new Map<string, number>();
  #limitRefusal: RefusedError | null = null;
  #refusal: RefusedError | null = null;

  constructor(session: Pick<PowerSession, "set">, found: FoundActuators) {
    this.#session = session;
    this.#found = found;
  }

  /** Whether the hardware has a limit that takes what is set: a firmware may lock it at any time. */
  get canLimit(): boolean {
    return this.#found.limits.length > 0 && this.#limitRefusal === null;
  }

  /** The limit that was set; `null` when there is none. */
  get limitWatts(): number | null {
    const [first] = this.#found.limits;
    if (first === undefined) return null;
    const each = this.#set.get(first.power.name);
    return each === undefined ? null : each * this.#found.limits.length;
  }

  /** Leaves the limit alone from now on, as it does not hold. */
  giveUpLimit(why: string): void {
    this.#limitRefusal ??= new RefusedError(why);
  }

  /** Sets the limit of the package, shared by its dies; one that is refused is not tried again. */
  setLimit(limitWatts: number, windowSeconds: number): void {
    const { limits } = this.#found;
    try {
      for (const { power, window } of limits) {
        if (window !== null) this.#put(window, windowSeconds, windowSeconds);
        this.#put(power, limitWatts / limits.length, Math.floor(limitWatts / limits.length / power.resolution + 1e-9));
      }
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      this.#limitRefusal = error;
    }
  }

  /**
   * Sets frequencies and duty cycles; a CPU that has gone is left out.
   *
   * @throws {RefusedError} If nothing of it can be set, nor the limit: the package is not capped any more.
   */
  setRung({ frequencyHz, dutySixteenths }: Rung, isTop: boolean): void {
    for (const meter of this.#found.frequencies) this.#try(meter, frequencyHz, isTop);
    for (const meter of this.#found.duties) this.#try(meter, dutySixteenths / dutySteps * 100, isTop);
    const { frequencies, duties } = this.#found;
    if (this.canLimit || [...frequencies, ...duties].some(({ name }) => !this.#gone.has(name))) return;
    throw this.#refusal ?? this.#limitRefusal ?? new RefusedError("Cannot cap a package: nothing of it can be set");
  }

  /** What nobody has lowered need not be raised. */
  #try(meter: Meter, value: number, isTop: boolean): void {
    if (this.#gone.has(meter.name) || isTop && !this.#set.has(meter.name)) return;
    try {
      this.#put(meter, value, value);
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      this.#gone.add(meter.name);
      this.#refusal = error;
    }
  }

  readonly #keys = new Map<string, number>();

  #put(meter: Meter, value: number, key: number): void {
    if (this.#keys.get(meter.name) === key) return;
    this.#set.set(meter.name, this.#session.set(meter.name, clamp(value, meter.range.min, meter.range.max)).value);
    this.#keys.set(meter.name, key);
  }
}
