import type { KernelFiles } from "../../../ffi/kernel_root.ts";
import type { syscallProbes } from "../../../ffi/mod.ts";
import { formatCpuList } from "../cpulist.ts";
import { Inventory } from "../inventory.ts";

/** What only native code can find out, and what lies outside the kernel's files. */
export interface Probes {
  /** Effective user id; `null` for a captured machine. */
  readonly uid: number | null;
  /** Effective capabilities, bit n for capability n; `null` for a captured machine. */
  readonly capabilities: bigint | null;
  /** Result of `probeSyscall()` of `ffi/mod.ts`; `null` for a captured machine. */
  syscall(which: keyof typeof syscallProbes): number | null;
  /** Where the native library was looked for, and why it is of no use; `null` for a captured machine. */
  readonly library: { readonly path: string; readonly problem: string | null } | null;
  /** Path of the C compiler; `null` when there is none, `undefined` for a captured machine. */
  readonly compiler: string | null | undefined;
}

/** Bits of the capability word, by the kernel's names. */
export const capabilityBits = { SYS_RAWIO: 17, SYS_PTRACE: 19, SYS_ADMIN: 21, SYS_NICE: 23, SYS_RESOURCE: 24, PERFMON: 38 } as const;
/** Names of {@link capabilityBits}. */
export type Capability = keyof typeof capabilityBits;

/** One line of `/proc/self/mountinfo`. */
export interface Mount {
  /** Where it is mounted. */
  readonly path: string;
  /** Type of the file system. */
  readonly type: string;
  /** Whether this mount refuses writing. */
  readonly readOnly: boolean;
}

/** A machine as the questions see it: facts that several of them need are read once, when first asked for. */
export class Machine {
  /** What planners would know of it. */
  readonly inventory: Inventory;
  #mounts?: readonly Mount[];

  /** @param files The machine, running or captured. */
  constructor(readonly files: KernelFiles, readonly probes: Probes) {
    this.inventory = new Inventory(files);
  }

  /** Whether this is a copy, in which an absent file may just not have been copied. */
  get isCaptured(): boolean {
    return this.probes.uid === null;
  }

  /** Text of a kernel file without its final newline, or `null`. */
  text(path: string): string | null {
    return this.files.tryRead(path)?.trim() ?? null;
  }

  /** A number from a kernel file, or `null` when it is absent or something else. */
  number(path: string): number | null {
    const text = this.text(path);
    return text !== null && /^-?\d+$/.test(text) ? Number(text) : null;
  }

  /** Version of the kernel, `[6, 1]` for 6.1.192; `null` when it cannot be told. */
  get version(): readonly [number, number] | null {
    const match = /^(\d+)\.(\d+)/.exec(this.text("/proc/sys/kernel/osrelease") ?? "");
    return match && [Number(match[1]), Number(match[2])];
  }

  /** Whether the kernel is this version or a later one; a version that cannot be told is none. */
  isAtLeast(major: number, minor: number): boolean {
    const version = this.version;
    return version !== null && (version[0] > major || version[0] === major && version[1] >= minor);
  }

  /** Value of a boot argument: the last one given, `""` without a value, `null` when it is absent. */
  bootArgument(name: string): string | null {
    let value: string | null = null;
    for (const [, key, text = ""] of (this.text("/proc/cmdline") ?? "").matchAll(/([^\s=]+)(?:=("[^"]*"|\S*))?/g)) {
      // What follows a lone "--" is for the first process.
      if (key === "--") break;
      if (key.replaceAll("-", "_") === name) value = text.replaceAll('"', "");
    }
    return value;
  }

  /** What is mounted, in the order of mounting. */
  get mounts(): readonly Mount[] {
    return this.#mounts ??= (this.text("/proc/self/mountinfo") ?? "").split("\n").flatMap((line) => {
      const [left, right] = line.split(" - ");
      if (right === undefined) return [];
      const [, , , , path, options] = left.split(" ");
      const [type, , superOptions = ""] = right.split(" ");
      return [{ path, type, readOnly: [options, superOptions].some((list) => list.split(",").includes("ro")) }];
    });
  }

  /** Whether the kernel knows a type of file system. */
  knowsFilesystem(type: string): boolean {
    return (this.text("/proc/filesystems") ?? "").split("\n").some((line) => line.split("\t").at(-1) === type);
  }

  /** Whether this is a guest, whose processor answers what its host likes. */
  get isVirtual(): boolean {
    return /^flags\s*:.*\bhypervisor\b/m.test(this.text("/proc/cpuinfo") ?? "");
  }

  /** Whether the processor is an x86. */
  get isX86(): boolean {
    // Arm and s390 say "Features" and "features" instead.
    return /^flags\s*:/m.test(this.files.read("/proc/cpuinfo"));
  }

  /** Whether modules can be loaded. */
  get hasModules(): boolean {
    return this.files.exists("/proc/modules") && this.bootArgument("nomodule") === null;
  }

  /** Advice to boot with an argument about the CPUs to give away: all but the first core. */
  bootFix(argument: string): string {
    const firstCore = this.inventory.siblings(this.inventory.onlineCpus[0]);
    const others = this.inventory.onlineCpus.filter((cpu) => !firstCore.includes(cpu));
    return others.length > 0 ? `boot with ${argument}${formatCpuList(others)}` : "none on this machine: it has one core";
  }

  /** CPUs of the first core, which keeps what the others are relieved of. */
  get firstCore(): string {
    return formatCpuList(this.inventory.siblings(this.inventory.onlineCpus[0]));
  }

  /** Whether this process has a capability; `null` for a captured machine. */
  can(capability: Capability): boolean | null {
    const word = this.probes.capabilities;
    return word === null ? null : (word >> BigInt(capabilityBits[capability]) & 1n) === 1n;
  }
}
