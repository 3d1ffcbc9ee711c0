import { isFile, Unavailable } from "./tools.ts";

/** A file system that a guest's first process mounts. */
export interface Mount {
  /** As mount(8) takes it with `-t`. */
  readonly type: string;
  /** As mount(8) takes them with `-o`. */
  readonly options: string;
  /** Where, below the root of the guest, without a slash in front. */
  readonly path: string;
}

/** A kind of machine that a guest can be. */
export interface Variant {
  /** Its tests are in `tests/vm/NAME`, those of `standard` in `tests/vm`. */
  readonly name: string;
  /** What it is, in one line of the help. */
  readonly doc: string;
  /** Hardware threads, dealt out to the cores and the NUMA nodes in their order. */
  readonly cpuCount: number;
  /** Hardware threads of each core. */
  readonly threadsPerCore: number;
  /** NUMA nodes. */
  readonly nodeCount: number;
  /** Kind of CPU, as QEMU takes it. */
  readonly cpu: string;
  /** More arguments for the kernel. */
  readonly kernelArguments: readonly string[];
  /** Its control groups. */
  readonly mounts: readonly Mount[];
  /** Whether systemd of the host is its first process, and runs the job as a service. */
  readonly hasSystemd: boolean;
  /** The first kernel version that cannot be booted so, and what it lacks. */
  readonly endsWith?: { readonly version: string; readonly because: string };
}

const cgroup2: readonly Mount[] = [{ type: "cgroup2", options: "rw", path: "sys/fs/cgroup" }];

/** As distributions mounted them before 2020. */
const cgroup1: readonly Mount[] = [
  { type: "tmpfs", options: "mode=755", path: "sys/fs/cgroup" },
  ...["cpuset", "cpu", "memory", "pids", "devices", "freezer"].map((name) => ({
    type: "cgroup",
    options: name,
    path: `sys/fs/cgroup/${name}`,
  })),
  { type: "cgroup2", options: "rw", path: "sys/fs/cgroup/unified" },
];

const standard: Variant = {
  name: "standard",
  doc: "8 CPUs, 4 NUMA nodes, cgroup v2 only",
  cpuCount: 8,
  threadsPerCore: 1,
  nodeCount: 4,
  // Without la57 the emulated page walks are one level shorter.
  cpu: "max,-la57",
  kernelArguments: [],
  mounts: cgroup2,
  hasSystemd: false,
};

/** Every kind of machine. */
export const variants: readonly Variant[] = [
  standard,
  {
    ...standard,
    name: "fake-numa",
    doc: "one NUMA node that the kernel splits into 8",
    nodeCount: 1,
    kernelArguments: ["numa=fake=8"],
  },
  {
    ...standard,
    name: "one-node",
    doc: "one NUMA node, as most machines have it",
    nodeCount: 1,
  },
  {
    ...standard,
    name: "dax",
    doc: "256 MiB of the last NUMA node set aside at boot, as a device of their own",
    kernelArguments: ["memmap=256M%5632M-1+0xefffffff"],
  },
  {
    ...standard,
    name: "booted-quiet",
    doc: "CPUs 4-7 isolated, tickless and without RCU callbacks from the boot on",
    kernelArguments: ["isolcpus=managed_irq,domain,4-7", "nohz_full=4-7", "rcu_nocbs=4-7", "irqaffinity=0-3"],
  },
  {
    ...standard,
    name: "cgroup1",
    doc: "cgroup v1, one hierarchy for each controller, as old distributions have it",
    mounts: cgroup1,
    endsWith: { version: "6.12", because: "Debian's kernels have no cpuset of cgroup v1 any more" },
  },
  {
    ...standard,
    name: "smt",
    doc: "4 cores of 2 hardware threads",
    threadsPerCore: 2,
    // AMD's CPUs tell their threads by a feature that QEMU does not emulate.
    cpu: `${standard.cpu},vendor=GenuineIntel`,
  },
  {
    ...standard,
    name: "systemd",
    doc: "systemd is the first process; the tests run as a service of it",
    kernelArguments: ["systemd.default_standard_output=null"],
    hasSystemd: true,
  },
];

/** The variant of a name. Throws a `TypeError` that lists the names when there is none. */
export function variantOf(name: string): Variant {
  const variant = variants.find((variant) => variant.name === name);
  if (variant !== undefined) return variant;
  throw new TypeError(`Cannot boot the variant ${name}: there are ${variants.map(({ name }) => name).join(", ")}`);
}

/** Why a kernel of a release such as `6.1.0-50-amd64` cannot be booted so, or `null`. */
export function cannotBoot({ endsWith }: Variant, release: string): string | null {
  if (endsWith === undefined) return null;
  const [[major, minor], [endMajor, endMinor]] = [release, endsWith.version].map((text) => text.split(".").map((part) => parseInt(part)));
  return major > endMajor || major === endMajor && minor >= endMinor ? `from ${endsWith.version} on ${endsWith.because}` : null;
}

/** First process of a guest with systemd. */
const systemd = "/lib/systemd/systemd";

/**
 * Checks that the host has what a variant needs.
 *
 * @param exists Whether a path is a file; looks on this machine by default.
 * @throws {Unavailable} With the command that installs what is missing.
 */
export function requireVariant({ hasSystemd }: Variant, exists: (path: string) => boolean = isFile): void {
  if (hasSystemd && !exists(systemd)) {
    throw new Unavailable(`${systemd} is not installed; on Debian: apt-get install --no-install-recommends systemd`);
  }
}
