import type { SimulatedFile, SimulatedRegister, SimulatedWrite } from "../../../ffi/simulated_device.ts";
import type { SimulatedPackage } from "./package.ts";
import { registers } from "./registers.ts";
import { addSensors } from "./machine_sensors.ts";
import { addZones } from "./machine_zones.ts";

/** A value of a simulated machine. */
export interface MachineValue {
  /** What it is now. */
  read(): bigint;
  /** Sets it, as far as the hardware lets itself be set. */
  write?(bits: bigint): void;
}

const all = (1n << 64n) - 1n;
/** What a write does to a register that is not read-only. */
const writes: Readonly<Record<number, Pick<SimulatedRegister, "writable" | "reserved" | "lock">>> = {
  [registers.PKG_POWER_LIMIT]: { writable: 0x80ffffff00ffffffn, lock: 1n << 63n },
  [registers.DRAM_POWER_LIMIT]: { writable: 0x80ffffffn, lock: 1n << 31n },
  [registers.PERF_CTL]: { writable: all },
  [registers.HWP_REQUEST]: { writable: all },
  [registers.CLOCK_MODULATION]: { writable: 0x1fn, reserved: all & ~0x1fn },
};
/** Registers that the CPUs of a package have together. */
const shared: ReadonlySet<number> = new Set(
  Object.values(registers).filter((number) =>
    number === registers.TEMPERATURE_TARGET || number === registers.PACKAGE_THERM_STATUS || (number >= 0x600 && number < 0x700)
  ),
);

/** The directories below `/` that a simulated machine has in place of the real one's. */
export const machineDirectories: readonly string[] = [
  "dev/cpu",
  "sys/class/powercap",
  "sys/class/hwmon",
  "sys/class/thermal",
  "sys/devices/system/cpu/cpufreq",
];

/** The files that a kernel has for simulated packages: MSR devices, power zones, sensors, frequencies. CPUs count through all packages. */
export class SimulatedMachine {
  /** Files, those of a directory behind one another. */
  readonly files: SimulatedFile[] = [];
  readonly #values = new Map<string, MachineValue>();

  /** The machine of these packages. */
  constructor(readonly packages: readonly SimulatedPackage[]) {
    let firstCpu = 0;
    packages.forEach((package_, index) => {
      for (let cpu = 0; cpu < package_.parameters.coreCount; cpu++) this.#addRegisters(package_, index, cpu, firstCpu + cpu);
      addZones(this, package_, index);
      addSensors(this, package_, index, firstCpu);
      firstCpu += package_.parameters.coreCount;
    });
  }

  /** The names of all values, in an order that stays. */
  get names(): string[] {
    return [...this.#values.keys()];
  }

  /** Adds a value and returns its name. */
  addValue(name: string, value: MachineValue): string {
    this.#values.set(name, value);
    return name;
  }

  /** Adds a text that stays; the end of its line is added. */
  addText(path: string, text: string | number): void {
    this.files.push({ path, mode: 0o444, kind: "text", text: `${text}\n` });
  }

  /** Adds a value as a decimal number; with a highest value it can be written, while no bit of `lock` is set. */
  addNumber(
    path: string,
    value: MachineValue,
    writing?: { low?: bigint; high: bigint; lock?: { value: string; bits: bigint } },
    mode = 0o444,
  ): void {
    const name = this.addValue(path, value);
    this.files.push({ path, kind: "number", value: name, ...writing === undefined ? { mode } : { mode: 0o644, ...writing } });
  }

  /** Adds a symbolic link. */
  addLink(path: string, target: string): void {
    this.files.push({ path, mode: 0o777, kind: "link", target });
  }

  /** The value of a register that the CPUs of a package share. */
  sharedRegister(packageIndex: number, number: number): string {
    return `package${packageIndex}/${number.toString(16)}`;
  }

  /** Lets time pass in all packages. */
  advance(seconds: number): void {
    for (const package_ of this.packages) package_.advance(seconds);
  }

  /** Does what programs wrote. */
  write(written: readonly SimulatedWrite[]): void {
    for (const { value, bits } of written) this.#values.get(value)?.write?.(bits);
  }

  /** Reads all values into `ret`, in the order of `names`. */
  read(ret: BigUint64Array): void {
    let index = 0;
    for (const value of this.#values.values()) ret[index++] = value.read();
  }

  #addRegisters(package_: SimulatedPackage, index: number, cpu: number, machineCpu: number): void {
    const present = Object.values(registers).filter((number) => package_.read(cpu, number) !== null);
    const files = present.map((number): SimulatedRegister => {
      const value = shared.has(number) ? this.sharedRegister(index, number) : `cpu${machineCpu}/${number.toString(16)}`;
      if (!this.#values.has(value)) {
        this.addValue(value, { read: () => package_.read(cpu, number) ?? 0n, write: (bits) => void package_.write(cpu, number, bits) });
      }
      return { number, value, ...writes[number] };
    });
    this.files.push({ path: `dev/cpu/${machineCpu}/msr`, mode: 0o600, kind: "registers", registers: files });
  }
}
