import { SysError } from "../../../ffi/errors.ts";
import { MsrDevices, type MsrDriver, type MsrReader, type MsrRequest, msrWriteMask } from "../../../ffi/msr.ts";
import { Sampler } from "../../../ffi/sampler.ts";
import type { KernelFiles } from "../../../ffi/kernel_root.ts";
import type { Topology } from "../../kernel/topology.ts";
import { formatMsr, formatRegister } from "../../plan/power.ts";
import type { Change } from "../../plan/step.ts";
import { RefusedError } from "../../errors.ts";
import {
  formatValue,
  type Lack,
  type Meter,
  type MeterSample,
  type MeterSampler,
  type Provider,
  type Reading,
  reasonOf,
} from "../meter.ts";
import { parseCpuFamily } from "../registers.ts";
import { readText } from "../../kernel/value.ts";
import { type AllowedRegister, allowMask, parseAllowList } from "./msr_safe.ts";
import { type MsrMeter, msrMeters } from "./msr_meters.ts";

/** How long a sampler keeps values for us while we are busy with something else, and in how much memory at most. */
const [ringSeconds, ringBytesMax] = [5, 2 ** 24];

/**
 * Model-specific registers: energy, limits, temperatures, cycles and duty cycles of Intel's processors, and energy of AMD's.
 *
 * All of a snapshot is read in one call of the library.
 */
export class MsrProvider implements Provider {
  /** See {@link Provider.name}: that of its devices' driver. */
  readonly name: MsrDriver;
  /** See {@link Provider.meters}. */
  readonly meters: readonly Meter[];
  /** See {@link Provider.lacks}. */
  readonly lacks: readonly Lack[];
  readonly #reader: MsrReader | null;
  readonly #entries = new Map<Meter, MsrMeter>();

  /**
   * Finds them.
   *
   * @param reader What reads registers; by default the devices below the machine's root. Disposed with the provider.
   */
  constructor(files: KernelFiles, topology: Topology, driver: MsrDriver = "msr", reader: MsrReader | null | undefined = undefined) {
    this.name = driver;
    const lacks: Lack[] = [];
    this.#reader = reader === undefined ? openDevices(files, driver, lacks) : reader;
    const allowed = driver === "msr-safe" ? parseAllowList(readText(files, "/dev/cpu/msr_allowlist") ?? "") : null;
    if (this.#reader !== null) this.#find(this.#reader, files, topology, allowed, lacks);
    this.meters = [...this.#entries.keys()];
    this.lacks = lacks;
  }

  #find(reader: MsrReader, files: KernelFiles, topology: Topology, allowed: readonly AllowedRegister[] | null, lacks: Lack[]): void {
    const family = parseCpuFamily(readText(files, "/proc/cpuinfo") ?? "");
    const found = msrMeters(reader, topology, family, this.name === "msr" ? "msr" : "msr_safe");
    lacks.push(...found.lacks);
    for (const entry of found.meters) {
      const { mask = 0n } = entry.actuator ?? {};
      const isAllowed = (msrWriteMask(entry.request.address) & mask) === mask &&
        (allowed === null || (allowMask(allowed, entry.request.address) & mask) === mask);
      const obstacle = entry.actuator === undefined
        ? undefined
        : entry.obstacle ?? (isAllowed ? undefined : "the allow-list of msr-safe does not have all of its bits");
      const isWritable = entry.actuator !== undefined && obstacle === undefined;
      this.#entries.set({ ...entry.meter, provider: this.name, permission: null, isWritable, ...obstacle ? { obstacle } : {} }, entry);
    }
  }

  /** See {@link Provider.prepare}. */
  prepare(meters: readonly Meter[]): () => readonly Reading[] {
    const { entries, requests, indexes } = this.#batchOf(meters);
    return () => {
      const { values, errors } = this.#reader!.read(requests);
      return entries.map(({ decode }, i) => {
        const index = indexes[i];
        if (errors[index] !== 0) return { reason: reasonOf(new SysError("read a register", -errors[index])) };
        return decode(values[index]) ?? { reason: "the register says that it is not valid now" };
      });
    };
  }

  /** See {@link Provider.sample}. */
  sample(meters: readonly Meter[], periodSeconds: number): MeterSampler | null {
    if (!(this.#reader instanceof MsrDevices)) return null;
    const { entries, requests, indexes } = this.#batchOf(meters);
    const periodNs = Math.round(periodSeconds * 1e9);
    const capacity = Math.floor(Math.min(ringSeconds / periodSeconds, ringBytesMax / recordBytesOf(requests.length)));
    const sampler = new Sampler(this.#reader.base, { requests, periodNs, capacity: Math.max(2, capacity), driver: this.name });
    return {
      read() {
        const samples: MeterSample[] = [];
        // One call has a megabyte of them at most.
        for (let some = sampler.read(); some.length > 0; some = sampler.read()) {
          for (const { atNs, values } of some) {
            samples.push({ atNs, values: entries.map(({ decode }, i) => decoded(values[indexes[i]], decode)) });
          }
        }
        return samples;
      },
      [Symbol.dispose]: () => sampler[Symbol.dispose](),
    };
  }

  #batchOf(meters: readonly Meter[]): { entries: readonly MsrMeter[]; requests: readonly MsrRequest[]; indexes: readonly number[] } {
    const entries = meters.map((meter) => this.#entries.get(meter)!);
    // A register that several meters show is read once, so that they agree.
    const places = new Map<string, number>();
    const requests: MsrRequest[] = [];
    const indexes = entries.map(({ request }) => {
      const key = `${request.cpu}:${request.address}`;
      const known = places.get(key);
      if (known !== undefined) return known;
      places.set(key, requests.length);
      return requests.push(request) - 1;
    });
    return { entries, requests, indexes };
  }

  /** See {@link Provider.plan}. */
  plan(meter: Meter, value: number): Change[] {
    const { request, actuator } = this.#entries.get(meter)!;
    const { values: [now], errors: [error] } = this.#reader!.read([request]);
    if (error !== 0) throw new RefusedError(`Cannot set ${meter.name}: ${reasonOf(new SysError("read a register", -error))}`);
    const { encode, mask } = actuator!;
    const what = formatMsr({ ...request, mask, driver: this.name });
    return [{
      kind: "msr",
      what,
      to: formatRegister(encode(value, now) & mask),
      why: `${meter.name} to ${formatValue(value, meter.unit)}`,
    }];
  }

  /** Closes the devices; again does nothing. */
  [Symbol.dispose](): void {
    if (this.#reader !== null && Symbol.dispose in this.#reader) (this.#reader as MsrReader & Disposable)[Symbol.dispose]();
  }
}

/** What a sampler keeps of one period. */
function recordBytesOf(count: number): number {
  return 32 + 8 * (Math.ceil(count / 64) + count);
}

function decoded(value: bigint | null, decode: MsrMeter["decode"]): number | null {
  return value === null ? null : decode(value);
}

function openDevices(files: KernelFiles, driver: MsrDriver, lacks: Lack[]): MsrDevices | null {
  try {
    return new MsrDevices(files.base, driver);
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    lacks.push({ what: "/dev/cpu", why: `${reasonOf(error)}; the kernel's module is ${driver === "msr" ? "msr" : "msr_safe"}` });
    return null;
  }
}
