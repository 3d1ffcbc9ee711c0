import { CapturedRoot } from "../../../ffi/captured_root.ts";
import { errno, errnoText, SysError } from "../../../ffi/errors.ts";
import { type KernelEntry, KernelRoot } from "../../../ffi/kernel_root.ts";
import type { Kernel } from "../../../lib/plan/kernel.ts";
import { register } from "../../../lib/power/registers.ts";

// The sanitizer of tests would take the library, loaded with the first error of a captured machine, for a leak.
errnoText(errno.ENOENT);

/** Registers of one CPU by their numbers. */
export type Registers = Readonly<Record<number, bigint>>;

/** What a {@link PowerMachine} is made of. */
export interface PowerMachineParts {
  /** Texts of files. */
  readonly files: Readonly<Record<string, string>>;
  /** Registers of CPUs. */
  readonly registers?: Readonly<Record<number, Registers>>;
  /** The name of a CPU's device; `msr` by default. */
  readonly device?: "msr" | "msr_safe";
}

const running = new KernelRoot();
running.read("/proc/sys/kernel/random/boot_id");

/**
 * A machine in a directory that can be changed as well. Processes, and the boot, are those of the running machine. Its
 * registers are plain files, eight bytes for each register.
 */
export class PowerMachine implements Kernel, Disposable {
  readonly base: string;
  readonly #captured: CapturedRoot;
  readonly #device: string;
  /** Files that were written to, with what. */
  readonly writes: [path: string, text: string][] = [];
  /** Files that may not be read. */
  readonly secret = new Set<string>();
  /** What a file makes of a text that is written to it. */
  round: (path: string, text: string) => string = (_path, text) => text;

  /** @param base The directory of a machine that another process has made; by default a new one. */
  constructor({ files, registers = {}, device = "msr" }: PowerMachineParts, base?: string) {
    this.base = base ?? Deno.makeTempDirSync({ prefix: "nodeos-power-", dir: "/dev/shm" });
    this.#captured = new CapturedRoot(this.base);
    this.#device = device;
    for (const [path, text] of Object.entries(files)) this.place(path, text);
    for (const [cpu, values] of Object.entries(registers)) {
      this.place(`/dev/cpu/${cpu}/${device}`, "");
      for (const [address, value] of Object.entries(values)) this.setRegister(Number(cpu), Number(address), value);
    }
  }

  /** Makes a file. */
  place(path: string, text: string): void {
    Deno.mkdirSync(this.base + path.slice(0, path.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(this.base + path, text);
  }

  /** The device of a CPU. */
  devicePath(cpu: number): string {
    return `${this.base}/dev/cpu/${cpu}/${this.#device}`;
  }

  setRegister(cpu: number, address: number, value: bigint): void {
    using file = Deno.openSync(this.devicePath(cpu), { write: true });
    file.seekSync(address * 8, Deno.SeekMode.Start);
    file.writeSync(new Uint8Array(BigUint64Array.of(value).buffer));
  }

  register(cpu: number, address: number): bigint {
    using file = Deno.openSync(this.devicePath(cpu));
    const data = new BigUint64Array(1);
    file.seekSync(address * 8, Deno.SeekMode.Start);
    file.readSync(new Uint8Array(data.buffer));
    return data[0];
  }

  /** All registers that can be set, and all files: whatever a setting could change. */
  state(): string {
    const addresses = Object.values(register);
    const cpus = [...Deno.readDirSync(`${this.base}/dev/cpu`)].map(({ name }) => Number(name)).filter((cpu) => cpu >= 0).sort();
    const registers = cpus.map((cpu) => addresses.map((address) => `${cpu} ${address} ${this.register(cpu, address)}`).join("\n"));
    const walk = (path: string): string[] =>
      [...Deno.readDirSync(path)].sort((a, b) => a.name < b.name ? -1 : 1).flatMap(({ name, isDirectory }) =>
        isDirectory ? walk(`${path}/${name}`) : [`${path}/${name} ${Deno.readTextFileSync(`${path}/${name}`)}`]
      );
    return [...registers, ...walk(`${this.base}/sys`)].join("\n");
  }

  #filesOf(path: string): KernelRoot | CapturedRoot {
    return /^\/proc\/(?:\d+\/|sys\/kernel\/random\/boot_id$)/.test(path) ? running : this.#captured;
  }
  read(path: string): string {
    const text = this.tryRead(path);
    if (text === null) throw new SysError(`read ${path}`, errno.ENOENT);
    return text;
  }
  tryRead(path: string): string | null {
    if (this.secret.has(path)) throw new SysError(`read ${path}`, errno.EACCES);
    return this.#filesOf(path).tryRead(path);
  }
  list(path: string): KernelEntry[] {
    return this.#captured.list(path);
  }
  link(path: string): string | null {
    return this.#captured.link(path);
  }
  exists(path: string): boolean {
    return this.#captured.exists(path);
  }
  write(path: string, text: string): void {
    if (!this.exists(path)) throw new SysError(`write ${path}`, errno.ENOENT);
    this.writes.push([path, text]);
    Deno.writeTextFileSync(this.base + path, `${this.round(path, text.trim())}\n`);
  }
  makeDirectory(): void {
    throw new Error("nobody makes directories here");
  }
  removeDirectory(): void {
    throw new Error("nobody removes directories here");
  }
  [Symbol.dispose](): void {
    Deno.removeSync(this.base, { recursive: true });
  }
}

/** Files of CPUs of several packages, two of each, each a core. */
function cpuFiles(packageCount: number, cpuinfo: string): Record<string, string> {
  const cpus = Array.from({ length: packageCount * 2 }, (_, cpu) => cpu);
  return {
    "/sys/devices/system/cpu/online": `0-${cpus.length - 1}\n`,
    "/sys/devices/system/cpu/present": `0-${cpus.length - 1}\n`,
    "/proc/cpuinfo": cpuinfo,
    "/proc/meminfo": "MemTotal:        8388608 kB\n",
    ...Object.fromEntries(cpus.flatMap((cpu) => [
      [`/sys/devices/system/cpu/cpu${cpu}/topology/physical_package_id`, `${Math.floor(cpu / 2)}\n`],
      [`/sys/devices/system/cpu/cpu${cpu}/topology/core_id`, `${cpu % 2}\n`],
      [`/sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`, `${cpu}\n`],
    ])),
  };
}

const skylake = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\nmodel name\t: a server\n";
const zen = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: a server\n";

/** 1/8 W, 2^-14 J, 2^-10 s. */
export const typicalUnits = 0xa0e03n;
/** 150 W in 1 s and 180 W in 7.8 ms, both on and clamped. */
export const typicalLimits = 0x0047_85a0_0015_84b0n;
/** TDP 205 W, 60 to 410 W, windows up to 40 s. */
export const typicalInfo = BigInt(205 * 8) | BigInt(60 * 8) << 16n | BigInt(410 * 8) << 32n | 0x2fn << 48n;

const cpuRegisters: Registers = {
  [register.coreThermal]: 0x8832_0000n,
  [register.temperatureTarget]: 0x0060_0000n,
  [register.packageThermal]: 0x8828_0000n,
  [register.mperf]: 1000n,
  [register.aperf]: 1500n,
};
const packageRegisters: Registers = {
  ...cpuRegisters,
  [register.raplUnit]: typicalUnits,
  [register.packageLimit]: typicalLimits,
  [register.packageEnergy]: 0x4000n,
  [register.packageThrottled]: 1024n,
  [register.packageInfo]: typicalInfo,
  [register.dramLimit]: 0n,
  [register.dramEnergy]: 0x10000n,
};

/** An Intel server with two packages and their memory. */
export const intel: PowerMachineParts = {
  files: cpuFiles(2, skylake),
  registers: { 0: packageRegisters, 1: cpuRegisters, 2: packageRegisters, 3: cpuRegisters },
};

/** The same, with what the kernel makes of it: zones, frequencies, and sensors. */
export const intelWithKernel: PowerMachineParts = {
  ...intel,
  files: {
    ...intel.files,
    ...zoneFiles("intel-rapl:0", "package-0"),
    ...zoneFiles("intel-rapl:0/intel-rapl:0:0", "dram"),
    ...zoneFiles("intel-rapl:1", "package-1"),
    ...Object.fromEntries([0, 1, 2, 3].flatMap((cpu) => {
      const path = `/sys/devices/system/cpu/cpufreq/policy${cpu}`;
      return [
        [`${path}/scaling_cur_freq`, "2400000\n"],
        [`${path}/scaling_min_freq`, "1000000\n"],
        [`${path}/scaling_max_freq`, "3200000\n"],
        [`${path}/cpuinfo_min_freq`, "1000000\n"],
        [`${path}/cpuinfo_max_freq`, "3200000\n"],
      ];
    })),
  },
};

function zoneFiles(zone: string, name: string): Record<string, string> {
  const path = `/sys/class/powercap/${zone}`;
  const limits = {
    [`${path}/constraint_0_name`]: "long_term\n",
    [`${path}/constraint_0_power_limit_uw`]: "150000000\n",
    [`${path}/constraint_0_time_window_us`]: "999424\n",
    [`${path}/constraint_0_max_power_uw`]: "205000000\n",
  };
  return {
    [`${path}/name`]: `${name}\n`,
    [`${path}/energy_uj`]: "123456789\n",
    [`${path}/max_energy_range_uj`]: "262143328850\n",
    ...limits,
  };
}

/** An AMD server of one package. */
export const amd: PowerMachineParts = {
  files: cpuFiles(1, zen),
  registers: {
    0: { [register.amdRaplUnit]: 0xa1003n, [register.amdCoreEnergy]: 0x1000n, [register.amdPackageEnergy]: 0x10000n },
    1: { [register.amdCoreEnergy]: 0x2000n },
  },
};

/** A machine without any of it, as many virtual ones are. */
export const bare: PowerMachineParts = { files: cpuFiles(1, skylake) };

/** A machine with other values in some registers of its first CPU. */
export function withRegisters(parts: PowerMachineParts, changed: Registers): PowerMachineParts {
  return { ...parts, registers: { ...parts.registers, 0: { ...parts.registers?.[0], ...changed } } };
}
