import { RefusedError } from "../../errors.ts";
import type { PackageState } from "../control/steer.ts";
import { steering } from "../control/steer.ts";
import type { PowerSession } from "../access/session.ts";
import { applyMove, coolestMove } from "../control/placement.ts";
import type { PowerInfo } from "../registers.ts";
import type { Registry } from "../registry.ts";
import { type FoundActuators, PackageActuators } from "./actuators.ts";
import type { GovernorRecord } from "./governor.ts";
import { PackageMeters, type PackageReading } from "./meters.ts";
import { type KnownPackage, knowPackage, laddersOf } from "./platform.ts";
import type { PackagePlace } from "./places.ts";
import type { ThreadPlaces } from "./runtime.ts";

/** What a package is kept below. */
export interface PackageWish {
  readonly capWatts: number;
  readonly windowSeconds: number;
  readonly limitCelsius: number | null;
}

/** A limit that lets this much more through, for this many windows, does not hold. */
const [brokenShare, brokenWindows] = [1.08, 6];
/** Power is near the limit when the limit holds cores back, on machines that do not say. */
const nearShare = 0.93;
/** How near the limit of temperature threads begin to move, and how long they stay after a move. */
const [moveKelvin, moveSeconds] = [8, 0.3];

/** One package, its meters, actuators and controllers. */
export class GovernedPackage {
  /** What of it is read, in the order of the values of `step`. */
  readonly names: readonly string[];
  /** Cores that its part of the runtime should use. */
  wantedCores: number;
  readonly #meters: PackageMeters;
  readonly #actuators: PackageActuators;
  readonly #known: KnownPackage;
  readonly #controller: ReturnType<typeof steering>;
  readonly #topHz: number;
  #state: PackageState;
  #brokenSeconds = 0;
  #sinceMoveSeconds = 0;

  /**
   * @param busyCores How many of its cores a runtime uses at most.
   * @param coresMin How few it goes on with.
   */
  constructor(
    registry: Pick<Registry, "meters" | "all" | "reader">,
    session: Pick<PowerSession, "set">,
    readonly place: PackagePlace,
    found: FoundActuators,
    readonly busyCores: number,
    coresMin: number,
    hasTemperatureLimit: boolean,
  ) {
    this.#meters = new PackageMeters(registry, place);
    this.#actuators = new PackageActuators(session, found);
    this.#known = knowPackage(registry, place, found);
    this.names = this.#meters.names;
    this.wantedCores = busyCores;
    const ladders = laddersOf(this.#known, place, found, busyCores, coresMin);
    const { part: { thermal }, info } = this.#known;
    this.#controller = steering({ ladders, info, thermal: hasTemperatureLimit ? thermal : null });
    this.#topHz = ladders.get(busyCores)!.at(-1)!.frequencyHz;
    this.#state = this.#controller.start();
  }

  /** Takes a step. Where it is hot, threads are looked for by `look`, and moved by `move`. */
  step(
    reading: { readonly atNs: bigint; readonly values: readonly (number | null)[] },
    wish: PackageWish,
    activeCores: number,
    look: () => ThreadPlaces | null,
    move: (cores: readonly number[]) => void,
    seconds: number,
    dtSeconds: number,
  ): GovernorRecord {
    const measured = this.#meters.take(reading.atNs, reading.values);
    const { powerWatts, hottestCelsius } = measured;
    const { canLimit } = this.#actuators;
    const isLimiting = measured.limitedShare === null ? this.#isNearLimit(powerWatts) : measured.limitedShare > 0.5;
    const answer = this.#controller.step(
      this.#state,
      { powerWatts, hottestCelsius, canLimit, isLimiting, activeCores },
      wish,
      dtSeconds,
    );
    this.#state = answer.state;
    const { limit, rung, by, thermal, wantedCores } = answer.setting;
    this.wantedCores = wantedCores;
    if (limit !== null) this.#actuators.setLimit(limit.limitWatts, limit.windowSeconds);
    this.#actuators.setRung(rung, rung.frequencyHz === this.#topHz && rung.dutySixteenths === 16);
    this.#watch(powerWatts, by, wish, dtSeconds);
    this.#sinceMoveSeconds += dtSeconds;
    const isHot = thermal !== null && wish.limitCelsius !== null && thermal.predictedCelsius > wish.limitCelsius - moveKelvin;
    if (isHot && this.#sinceMoveSeconds > moveSeconds) {
      this.#sinceMoveSeconds = 0;
      const threads = look();
      if (threads !== null) this.#cool(threads, measured, move);
    }
    return {
      package: this.place.package,
      seconds,
      powerWatts,
      capWatts: wish.capWatts,
      by,
      limitWatts: this.#actuators.limitWatts,
      frequencyHz: rung.frequencyHz,
      dutySixteenths: rung.dutySixteenths,
      hottestCelsius,
      wantedCores,
      activeCores,
      thermal,
    };
  }

  /** What it can be limited to. */
  get info(): PowerInfo {
    return this.#known.info;
  }

  #isNearLimit(powerWatts: number | null): boolean {
    const { limitWatts } = this.#actuators;
    return limitWatts !== null && powerWatts !== null && powerWatts > nearShare * limitWatts;
  }

  /** A limit that is taken and does not count, as that of a zone that is off, is left to software. */
  #watch(powerWatts: number | null, by: "hardware" | "software", { capWatts, windowSeconds }: PackageWish, dtSeconds: number): void {
    if (powerWatts === null) return;
    const isAbove = by === "hardware" && powerWatts > brokenShare * capWatts;
    this.#brokenSeconds = isAbove ? this.#brokenSeconds + dtSeconds : 0;
    if (this.#brokenSeconds < Math.max(1, brokenWindows * windowSeconds)) return;
    this.#actuators.giveUpLimit(`Cannot cap package ${this.place.package} by its power limit: it is set, and does not hold`);
  }

  #cool(threads: ThreadPlaces, { coreCelsius, powerWatts }: PackageReading, move: (cores: readonly number[]) => void): void {
    const { uncoreWatts, coreKelvinPerWatt } = this.#known.part;
    if (powerWatts === null || coreCelsius.some((celsius) => celsius === null)) return;
    const first = this.place.cores;
    const activity = threads.activity.reduce((sum, one) => sum + one, 0);
    const local = threads.cores.map((core) => first.indexOf(core));
    if (activity <= 0 || local.includes(-1)) return;
    const found = coolestMove({
      cores: local,
      threadWatts: threads.activity.map((one) => (powerWatts - uncoreWatts) * one / activity),
      coreCelsius: coreCelsius as readonly number[],
      kelvinPerWatt: coreKelvinPerWatt,
    });
    if (found !== null) move(applyMove(local, found).map((index) => first[index]));
  }
}

/** Refuses a package that cannot be measured, or of which nothing can be set; says what is lacking. */
export function refuseUncappable(registry: Pick<Registry, "lacks">, id: number, hasPower: boolean, found: FoundActuators): void {
  const lacks = registry.lacks.map(({ what, why }) => `${what}: ${why}`);
  if (!hasPower) {
    throw new RefusedError(`Cannot cap package ${id}: nothing tells its power`, { remedy: remedyOf(lacks) });
  }
  if (found.limits.length + found.frequencies.length + found.duties.length > 0) return;
  throw new RefusedError(`Cannot cap package ${id}: neither a power limit nor frequencies nor duty cycles can be set`, {
    remedy: remedyOf([...found.obstacles, ...lacks]),
  });
}

function remedyOf(reasons: readonly string[]): string {
  return reasons.length === 0 ? "See `nodeos power list`" : `See to what is lacking (${reasons.slice(0, 6).join("; ")})`;
}
