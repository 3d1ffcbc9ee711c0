import { type MsrReader, type MsrReading, type MsrRequest, msrWriteMask } from "../../ffi/msr.ts";
import type { KernelEntry, KernelFiles } from "../../ffi/kernel_root.ts";
import { RefusedError } from "../../lib/errors.ts";
import { readTopology } from "../../lib/kernel/topology.ts";
import { splitMsr } from "../../lib/plan/power.ts";
import type { Setting } from "../../lib/power/access/session.ts";
import { cpufreqProvider } from "../../lib/power/providers/cpufreq.ts";
import { MsrProvider } from "../../lib/power/providers/msr.ts";
import { Registry } from "../../lib/power/registry.ts";
import type { Snapshot } from "../../lib/power/snapshot.ts";
import type { SimulatedPackage } from "../../lib/power/simulated/package.ts";
import { registers } from "../../lib/power/simulated/registers.ts";

// The library opens on first use and stays open: within a test that would count as a leak.
msrWriteMask(0);

const root = "/sys/devices/system/cpu";

/**
 * A machine of one simulated package, whose providers and registry are those of any machine: without a device, and in simulated time.
 * What writes is no session, as there is nothing to put back.
 */
export class InProcessMachine implements KernelFiles, MsrReader, Disposable {
  readonly base = "/nonexistent";
  readonly registry: Registry;
  /** What the energy counter shows in place of its own value, for a meter that errs. */
  energyCount: bigint | null = null;
  /** What was written, actuator by actuator. */
  readonly writes = new Map<string, number>();
  readonly #device: SimulatedPackage;
  readonly #texts: ReadonlyMap<string, string>;

  constructor(device: SimulatedPackage) {
    const { coreCount, minHz, maxHz } = device.parameters;
    const cpus = Array.from({ length: coreCount }, (_, cpu) => cpu);
    this.#device = device;
    this.#texts = new Map([
      [`${root}/online`, `0-${coreCount - 1}\n`],
      ["/proc/cpuinfo", "vendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\n"],
      ...cpus.flatMap((cpu): [string, string][] => [
        [`${root}/cpu${cpu}/topology/physical_package_id`, "0\n"],
        [`${root}/cpu${cpu}/topology/core_id`, `${cpu}\n`],
        [`${root}/cpu${cpu}/topology/thread_siblings_list`, `${cpu}\n`],
        [`${root}/cpufreq/policy${cpu}/cpuinfo_min_freq`, `${minHz / 1000}\n`],
        [`${root}/cpufreq/policy${cpu}/cpuinfo_max_freq`, `${maxHz / 1000}\n`],
      ]),
    ]);
    const topology = readTopology(this);
    this.registry = new Registry(
      [new MsrProvider(this, topology, "msr", { read: (requests) => this.read(requests) }), cpufreqProvider(this)],
      () => this.nowNs,
      topology,
    );
  }

  /** Simulated time. */
  get nowNs(): bigint {
    return BigInt(Math.round(this.#device.truth().seconds * 1e9));
  }

  read(path: string): string;
  read(requests: readonly MsrRequest[]): MsrReading;
  read(what: string | readonly MsrRequest[]): string | MsrReading {
    if (typeof what === "string") return this.tryRead(what) ?? "";
    const found = what.map(({ cpu, address }) => this.#register(cpu, address));
    return {
      atNs: this.nowNs,
      tookNs: 0,
      values: BigUint64Array.from(found, (value) => value ?? 0n),
      errors: Int32Array.from(found, (value) => value === null ? -5 : 0),
    };
  }

  #register(cpu: number, address: number): bigint | null {
    if (address === registers.PKG_ENERGY_STATUS && this.energyCount !== null) return this.energyCount;
    const value = this.#device.read(cpu, address);
    // At the start nothing has been drawn, and a counter that stands at 0 is taken for none.
    return address === registers.PKG_ENERGY_STATUS && value === 0n && this.#device.truth().seconds === 0 ? 1n : value;
  }

  tryRead(path: string): string | null {
    const [, cpu] = /\/policy(\d+)\/scaling_(?:max|cur)_freq$/.exec(path) ?? [];
    if (cpu === undefined) return this.#texts.get(path) ?? null;
    return `${Number(this.#device.read(Number(cpu), registers.PERF_CTL)! >> 8n & 0xffn) * 100_000}\n`;
  }
  list(path: string): KernelEntry[] {
    const below = [...this.#texts.keys()].filter((one) => one.startsWith(`${path}/`)).map((one) =>
      one.slice(path.length + 1).split("/")[0]
    );
    return [...new Set(below)].sort().map((name) => ({ name, kind: "directory" }));
  }
  link(): null {
    return null;
  }
  exists(): boolean {
    return true;
  }

  /** Sets an actuator, as a session does. */
  set(name: string, value: number): Setting {
    for (const { kind, what, to } of this.registry.plan(name, value)) {
      if (kind === "msr") this.#writeRegister(what, BigInt(to!));
      else this.#device.write(Number(/policy(\d+)/.exec(what)![1]), registers.PERF_CTL, BigInt(Math.round(Number(to) / 1e5)) << 8n);
    }
    this.writes.set(name, (this.writes.get(name) ?? 0) + 1);
    return { name, asked: value, value };
  }

  #writeRegister(what: string, bits: bigint): void {
    const { cpu, address, mask } = splitMsr(what);
    const before = this.#device.read(cpu, address)!;
    const outcome = this.#device.write(cpu, address, before & ~mask | bits);
    if (outcome !== "done") throw new RefusedError(`Cannot set a register: it is ${outcome}`);
  }

  /** See {@link Registry.snapshot}. */
  snapshot(names: readonly string[]): Snapshot {
    return this.registry.snapshot(names);
  }

  [Symbol.dispose](): void {
    this.registry[Symbol.dispose]();
  }
}
