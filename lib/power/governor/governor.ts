import { NoSuchObjectError, UsageError } from "../../errors.ts";
import type { ThermalSetting } from "../control/thermal.ts";
import type { PowerSession } from "../access/session.ts";
import type { Registry } from "../registry.ts";
import type { SnapshotReader } from "../snapshot.ts";
import { findActuators } from "./actuators.ts";
import { PackageMeters } from "./meters.ts";
import { GovernedPackage, refuseUncappable } from "./package.ts";
import { type PackagePlace, packagePlaces } from "./places.ts";
import { ProgressCap, type ProgressReport, type ProgressWish } from "./progress_cap.ts";
import { RuntimeLink, type RuntimePort, type ThreadPlaces } from "./runtime.ts";

/** What was measured of a package in a step, and what was set. */
export interface GovernorRecord {
  /** Which package. */
  readonly package: number;
  /** Time since the first step. */
  readonly seconds: number;
  /** Mean power since the step before; `null` when it is not known, as at the first step. */
  readonly powerWatts: number | null;
  /** The cap that was wanted. */
  readonly capWatts: number;
  /** Who caps: the limit of the hardware, or frequencies, duty cycles and numbers of cores. */
  readonly by: "hardware" | "software";
  /** The limit of the hardware that is set; `null` when none can be. */
  readonly limitWatts: number | null;
  /** The ceiling of frequencies that is set. */
  readonly frequencyHz: number;
  /** How many of 16 periods the clock runs. */
  readonly dutySixteenths: number;
  /** Temperature of the hottest core; `null` when it is not known. */
  readonly hottestCelsius: number | null;
  /** Cores that the runtime should use. */
  readonly wantedCores: number;
  /** Cores that it uses. */
  readonly activeCores: number;
  /** What the temperature leaves room for; `null` without temperature control. */
  readonly thermal: ThermalSetting | null;
}

/** What a {@link Governor} is made of. */
export interface GovernorOptions {
  /** The meters of the machine. */
  readonly registry: Pick<Registry, "meters" | "all" | "lacks" | "reader" | "topology">;
  /** What sets its actuators, and puts them back in the end. */
  readonly session: Pick<PowerSession, "set" | "snapshot">;
  /** The runtime whose cores become fewer when that is better than slower ones. */
  readonly runtime?: RuntimePort;
  /** The time over which the mean power counts. */
  readonly windowSeconds: number;
  /** What the hottest core shall not exceed; `null` without temperature control. */
  readonly limitCelsius: number | null;
  /** Which packages; all of them when left out. */
  readonly packages?: readonly number[];
  /**
   * The progress of the runtime that is enough: the cap becomes as low as that leaves room for. Caps that are left out are what the
   * packages are made for, and the least that they take.
   */
  readonly progress?: Pick<ProgressWish, "wanted"> & Partial<ProgressWish>;
}

/** The first step covers no time yet; a controller needs some, such as the shortest period that makes sense. */
const firstSeconds = 0.01;

/**
 * Keeps packages below a cap: reads their meters, lets the controllers decide, and sets the actuators through a session, which
 * puts everything back in the end. Somebody calls {@link step} again and again, some times within a window.
 */
export class Governor {
  /** The time over which the mean power counts; may be changed at any time. */
  windowSeconds: number;
  readonly #options: GovernorOptions;
  readonly #packages: readonly GovernedPackage[];
  readonly #read: SnapshotReader;
  readonly #link: RuntimeLink | null;
  readonly #progress: ProgressCap | null;
  #firstNs: bigint | null = null;
  #lastNs = 0n;
  #seen: ThreadPlaces | null = null;

  private constructor(options: GovernorOptions, packages: readonly GovernedPackage[]) {
    const names = packages.flatMap(({ names }) => names);
    this.windowSeconds = options.windowSeconds;
    this.#options = options;
    this.#packages = packages;
    // The policy is asked once, and says what may not be read.
    options.session.snapshot(names);
    this.#read = options.registry.reader(names);
    this.#link = options.runtime === undefined ? null : new RuntimeLink(options.runtime);
    this.#progress = options.progress === undefined ? null : new ProgressCap(withRange(options.progress, packages));
  }

  /**
   * Finds out what can be measured and set; sets nothing yet.
   *
   * @throws {NoSuchObjectError} If there is no such package.
   * @throws {RefusedError} If one of the packages cannot be measured or capped, with what is lacking, or may not be read.
   * @throws {UsageError} If it is to cap by the progress of no runtime, or in a range of caps that is none.
   */
  static open(options: GovernorOptions): Governor {
    const { registry, session, runtime, limitCelsius, progress } = options;
    if (progress !== undefined && runtime === undefined) {
      throw new UsageError("Cannot cap by progress: nobody says how much there is", { remedy: "Give a runtime that sends heartbeats" });
    }
    const all = packagePlaces(registry);
    if (all.length === 0 && options.packages === undefined) refuseUncappable(registry, 0, false, noActuators);
    const places = options.packages?.map((id) => placeOf(all, id)) ?? all;
    const coreCount = places.reduce((sum, { cores }) => sum + Math.max(1, cores.length), 0);
    const packages = places.map((place) => {
      const found = findActuators(registry, place);
      refuseUncappable(registry, place.package, new PackageMeters(registry, place).hasPower, found);
      const own = Math.max(1, place.cores.length);
      const busyCores = runtime === undefined ? own : within(Math.round(runtime.limits.coresMax * own / coreCount), 1, own);
      const { coresMin: floor, coresMax } = runtime?.limits ?? { coresMin: own, coresMax: own };
      const coresMin = within(Math.ceil(floor / coresMax * busyCores), 1, busyCores);
      return new GovernedPackage(registry, session, place, found, busyCores, coresMin, limitCelsius !== null);
    });
    return new Governor(options, packages);
  }

  /** The packages that it keeps below the cap. */
  get packages(): readonly number[] {
    return this.#packages.map(({ place }) => place.package);
  }

  /** Whether the runtime has let a request pass unanswered, and is held to its floor; `false` without one. */
  get isRuntimeSilent(): boolean {
    return this.#link?.isSilent ?? false;
  }

  /** The progress of the runtime, and the cap that it needs; `null` when nobody asked for that. */
  get progress(): ProgressReport | null {
    return this.#progress?.report ?? null;
  }

  /**
   * Takes one step: reads, decides and sets. The first one sets the cap before anything is known of the power.
   *
   * @param capWatts The cap of each package.
   * @param nowNs CLOCK_MONOTONIC.
   * @throws {UsageError} If the cap is not a number above 0.
   * @throws {RangeError} If no time has passed since the step before.
   * @throws {RefusedError} If a package cannot be capped any more.
   */
  step(capWatts: number, nowNs: bigint): readonly GovernorRecord[] {
    const { limitCelsius, runtime } = this.#options;
    const dtSeconds = this.#firstNs === null ? firstSeconds : Number(nowNs - this.#lastNs) / 1e9;
    this.#firstNs ??= nowNs;
    this.#lastNs = nowNs;
    const seconds = Number(nowNs - this.#firstNs) / 1e9;
    const wish = { capWatts: this.#progress?.lower(capWatts) ?? capWatts, windowSeconds: this.windowSeconds, limitCelsius };
    const { atNs, values } = this.#read();
    let from = 0;
    const records = this.#packages.map((one) => {
      const reading = { atNs, values: values.slice(from, from += one.names.length) };
      return one.step(reading, wish, this.#activeCores(one), () => this.#look(one), (cores) => this.#move(one, cores), seconds, dtSeconds);
    });
    if (this.#link === null || runtime === undefined) return records;
    const wanted = this.#packages.reduce((sum, { wantedCores }) => sum + wantedCores, 0);
    const isAll = this.#packages.every(({ wantedCores, busyCores }) => wantedCores === busyCores);
    const heartbeats = this.#link.step(isAll ? runtime.limits.coresMax : wanted * this.#share, dtSeconds);
    this.#progress?.step(heartbeats, dtSeconds);
    return records.map((record, index) => ({ ...record, activeCores: this.#activeCores(this.#packages[index]) }));
  }

  /** Cores of all packages that the runtime uses at most. */
  get #busyCores(): number {
    return this.#packages.reduce((sum, one) => sum + one.busyCores, 0);
  }

  /** What a runtime counts as cores may be more than there are: CPUs that share a core, or threads that share a CPU. */
  get #share(): number {
    return Math.max(1, (this.#options.runtime?.limits.coresMax ?? 0) / this.#busyCores);
  }

  /** A runtime's cores are taken to be spread over the packages as they were given to it. */
  #activeCores({ busyCores }: GovernedPackage): number {
    if (this.#link === null) return busyCores;
    return within(Math.round(this.#link.activeCores / this.#share * busyCores / this.#busyCores), 1, busyCores);
  }

  /** The threads that are on cores of a package. */
  #look({ place: { cores: own } }: GovernedPackage): ThreadPlaces | null {
    this.#seen = this.#options.runtime?.threads?.look() ?? null;
    if (this.#seen === null) return null;
    const { cores, activity } = this.#seen;
    const indexes = [...cores.keys()].filter((thread) => own.includes(cores[thread]));
    return { cores: indexes.map((thread) => cores[thread]), activity: indexes.map((thread) => activity[thread] ?? 1) };
  }

  #move({ place: { cores: own } }: GovernedPackage, moved: readonly number[]): void {
    let next = 0;
    this.#options.runtime?.threads?.place(this.#seen!.cores.map((core) => own.includes(core) ? moved[next++] : core));
  }
}

const noActuators = { limits: [], shown: [], frequencies: [], duties: [], obstacles: [] };

function placeOf(places: readonly PackagePlace[], id: number): PackagePlace {
  const place = places.find((one) => one.package === id);
  if (place !== undefined) return place;
  const known = places.map((one) => one.package).join(", ");
  throw new NoSuchObjectError(`Cannot cap package ${id}: ${known === "" ? "no package shows its power" : `the packages are ${known}`}`);
}

/** Below this share of the highest cap hardly any part goes. */
const leastShare = 0.3;

function withRange(wish: NonNullable<GovernorOptions["progress"]>, packages: readonly GovernedPackage[]): ProgressWish {
  const capMaxWatts = wish.capMaxWatts ?? Math.max(...packages.map(({ info }) => info.tdpWatts));
  const least = Math.max(...packages.map(({ info }) => info.minWatts));
  const capMinWatts = wish.capMinWatts ?? (least > 0 && least < capMaxWatts ? least : leastShare * capMaxWatts);
  return { ...wish, capMinWatts, capMaxWatts };
}

function within(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
