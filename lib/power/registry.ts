import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { clockNs as monotonicNs } from "../../ffi/mod.ts";
import { didYouMean, NoSuchObjectError, RefusedError, UsageError } from "../errors.ts";
import { readTopology, type Topology } from "../kernel/topology.ts";
import type { Change } from "../plan/step.ts";
import { formatValue, type Lack, type Meter, type MeterSampler, type Provider } from "./meter.ts";
import { hsmpProvider, nvmlProvider } from "./providers/devices.ts";
import { cpufreqProvider } from "./providers/cpufreq.ts";
import { MsrProvider } from "./providers/msr.ts";
import { PerfProvider } from "./providers/perf.ts";
import { powercapProvider } from "./providers/powercap.ts";
import { hwmonProvider, thermalProvider } from "./providers/sensors.ts";
import { startSampling } from "./sampling.ts";
import { prepareSnapshot, type Snapshot, type SnapshotReader } from "./snapshot.ts";

/** Every meter and actuator of a machine, whoever provides it. */
export class Registry implements Disposable {
  /** One for each name: of several providers the first that can read it. In the order of names. */
  readonly meters: readonly Meter[];
  /** All of them, also those that another provider has as well. */
  readonly all: readonly Meter[];
  /** What the machine could have, and why it is not there. */
  readonly lacks: readonly Lack[];
  readonly #byName = new Map<string, Meter>();
  readonly #providerOf = new Map<Meter, Provider>();
  readonly #clockNs: () => bigint;

  /**
   * Takes providers as they are; {@link Registry.open} finds those of a machine.
   *
   * @param providers In the order of preference. They are disposed with the registry.
   * @param clockNs The clock of snapshots.
   * @param topology The CPUs of the machine; `null` when they are not known.
   */
  constructor(
    readonly providers: readonly Provider[],
    clockNs: () => bigint = monotonicNs,
    readonly topology: Topology | null = null,
  ) {
    this.#clockNs = clockNs;
    for (const provider of providers) {
      for (const meter of provider.meters) {
        this.#providerOf.set(meter, provider);
        this.#byName.set(`${provider.name}:${meter.name}`, meter);
        const known = this.#byName.get(meter.name);
        if (known === undefined || known.permission !== null && meter.permission === null) this.#byName.set(meter.name, meter);
      }
    }
    this.all = [...this.#providerOf.keys()];
    this.meters = [...this.#byName].filter(([name, meter]) => name === meter.name).map(([, meter]) => meter).sort(byName);
    this.lacks = providers.flatMap(({ lacks }) => lacks).filter(({ what }) => {
      const meter = this.#byName.get(what);
      return meter === undefined || meter.permission !== null;
    });
  }

  /**
   * Finds what a machine has. Reads only; needs no right, and shows less without.
   *
   * @param more Other providers, after those of the machine.
   */
  static open(files: KernelFiles, more: readonly Provider[] = []): Registry {
    const topology = readTopology(files);
    return new Registry(
      [
        new MsrProvider(files, topology),
        new MsrProvider(files, topology, "msr-safe"),
        powercapProvider(files),
        new PerfProvider(files, topology),
        hsmpProvider(files, topology),
        nvmlProvider(files),
        hwmonProvider(files, topology),
        thermalProvider(files),
        cpufreqProvider(files),
        ...more,
      ],
      monotonicNs,
      topology,
    );
  }

  /**
   * The meter of a name, such as `package0/energy`, or `powercap:package0/energy` for that of one provider.
   *
   * @throws {NoSuchObjectError} If there is none; it says why, where that is known.
   */
  find(name: string): Meter {
    const meter = this.#byName.get(name);
    if (meter !== undefined) return meter;
    const lack = this.lacks.find(({ what }) => what === name);
    const why = lack === undefined ? `this machine has none of that name${didYouMean(name, this.#byName.keys())}` : lack.why;
    throw new NoSuchObjectError(`Cannot find the meter ${JSON.stringify(name)}: ${why}`);
  }

  /** Prepares to read meters again and again, in this order; see {@link find}. */
  reader(names: readonly string[]): SnapshotReader {
    return prepareSnapshot(names.map((name) => this.find(name)), (meter) => this.#providerOf.get(meter)!, this.#clockNs);
  }

  /** Starts to read meters in every period, in this order; see {@link startSampling}. `null` where that cannot be. */
  sampler(names: readonly string[], periodSeconds: number): MeterSampler | null {
    const meters = names.map((name) => this.find(name));
    return startSampling(meters, (meter) => this.#providerOf.get(meter)!, this.#clockNs, periodSeconds);
  }

  /** Reads meters once, all of one moment. */
  snapshot(names: readonly string[]): Snapshot {
    return this.reader(names)();
  }

  /**
   * The steps that set an actuator; changes nothing. To make them true is for a `PowerSession`.
   *
   * @param value In the actuator's unit; the hardware may round it down to its resolution.
   * @throws {NoSuchObjectError} If there is no such actuator.
   * @throws {UsageError} If the value is not a number, or out of range.
   * @throws {RefusedError} If it is no actuator, or is locked.
   */
  plan(name: string, value: number): Change[] {
    const meter = this.find(name);
    const { range: { min, max }, unit } = meter;
    if (!meter.isWritable) throw new RefusedError(`Cannot set ${name}: ${meter.obstacle ?? "it can only be read"}`);
    if (!(value >= min && value <= max)) {
      throw new UsageError(`Cannot set ${name} to ${formatValue(value, unit)}: it is out of range`, {
        remedy: `Give a value from ${formatValue(min, unit)} to ${formatValue(max, unit)}`,
      });
    }
    return this.#providerOf.get(meter)!.plan(meter, value);
  }

  /** Closes all devices; again does nothing. */
  [Symbol.dispose](): void {
    for (const provider of this.providers) provider[Symbol.dispose]();
  }
}

/** Names with numbers in them in the order of the numbers. */
function byName(a: Meter, b: Meter): number {
  return a.name.localeCompare(b.name, "en", { numeric: true });
}
