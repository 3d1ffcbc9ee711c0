/** Where a CPU that runs sits; what is left out, this kernel does not tell. */
export interface Seat {
  readonly cpu: number;
  readonly package: number;
  readonly die?: number;
  readonly cluster?: number;
  readonly core: number;
  readonly node: number;
  readonly capacity?: number;
}

export interface CacheDescription {
  readonly name: readonly [level: number, type: "Data" | "Instruction" | "Unified"];
  readonly kilobytes?: number;
  readonly ways?: number;
  /** CPUs with the same answer share it; by default those of a core. */
  readonly share?: (seat: Seat) => number | string;
  /** Which CPUs have one like it; by default all. */
  readonly of?: (seat: Seat) => boolean;
}

export interface DeviceDescription {
  readonly pci: string;
  readonly class: string;
  readonly driver: string;
  readonly node: number | null;
  /** Directory of a class, and where its link leads: below the PCI function, or (with `/`) anywhere. */
  readonly links?: Readonly<Record<string, string>>;
}

export interface MachineDescription {
  /** `model name` of `/proc/cpuinfo`. */
  readonly model: string | null;
  /** One for each CPU that runs, ascending. */
  readonly seats: readonly Seat[];
  readonly presentCpus?: readonly number[];
  readonly possibleCpus?: readonly number[];
  readonly isolatedCpus?: readonly number[];
  readonly nohzFullCpus?: readonly number[];
  readonly caches: readonly CacheDescription[];
  readonly nodes: readonly { readonly id: number; readonly gigabytes: number; readonly hugePages?: Readonly<Record<number, number>> }[];
  readonly distance?: (from: number, to: number) => number;
  readonly withoutNuma?: boolean;
  /** Files of `/sys/devices` that name kinds of cores. */
  readonly kinds?: Readonly<Record<string, readonly number[]>>;
  readonly devices?: readonly DeviceDescription[];
  /** Directory of a class, and a device in it that only software made. */
  readonly softwareDevices?: Readonly<Record<string, string>>;
  readonly bootParameters?: string;
  readonly release?: string;
  /** Another machine with the same CPUs. */
  readonly cpusFrom?: string;
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

/** Two sockets of 8 cores with 2 threads, numbered as kernels do: n and n + 16 share a core. Core numbers have holes. */
function xeon(): MachineDescription {
  const coreIds = [0, 1, 2, 3, 8, 9, 10, 11];
  return {
    model: "Intel(R) Xeon(R) Gold 6134 CPU @ 3.20GHz",
    seats: times(32, (cpu) => {
      const socket = Math.floor((cpu % 16) / 8);
      return { cpu, package: socket, die: 0, core: coreIds[cpu % 8], node: socket };
    }),
    caches: [
      { name: [1, "Data"], kilobytes: 32, ways: 8 },
      { name: [1, "Instruction"], kilobytes: 32, ways: 8 },
      { name: [2, "Unified"], kilobytes: 1024, ways: 16 },
      { name: [3, "Unified"], kilobytes: 25344, ways: 11, share: (seat) => seat.package },
    ],
    nodes: [
      { id: 0, gigabytes: 96, hugePages: { 2048: 512, 1048576: 0 } },
      { id: 1, gigabytes: 96, hugePages: { 2048: 0, 1048576: 4 } },
    ],
    distance: (from, to) => from === to ? 10 : 21,
    devices: [
      {
        pci: "0000:3b:00.0",
        class: "020700",
        driver: "mlx5_core",
        node: 0,
        links: { "/sys/class/net": "net/ib0", "/sys/class/infiniband": "infiniband/mlx5_0" },
      },
      {
        pci: "0000:5e:00.0",
        class: "010802",
        driver: "nvme",
        node: 1,
        links: {
          "/sys/class/nvme": "nvme/nvme0",
          "/sys/block": "/sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1",
          "/sys/devices/virtual/nvme-subsystem/nvme-subsys0": "nvme/nvme0",
        },
      },
      { pci: "0000:af:00.0", class: "030200", driver: "nvidia", node: 1 },
      { pci: "0000:02:00.0", class: "030000", driver: "mgag200", node: null },
    ],
    softwareDevices: { "/sys/class/net": "net/lo", "/sys/block": "block/loop0" },
  };
}

/** Two sockets of 16 cores in two nodes each, with an L3 for every 4 cores: n and n + 32 share a core. */
function epyc(): MachineDescription {
  return {
    model: "AMD EPYC 7282 16-Core Processor",
    seats: times(64, (cpu) => {
      const core = cpu % 32;
      return { cpu, package: Math.floor(core / 16), die: 0, core: core % 16, node: Math.floor(core / 8) };
    }),
    caches: [
      { name: [1, "Data"], kilobytes: 32 },
      { name: [1, "Instruction"], kilobytes: 32 },
      { name: [2, "Unified"], kilobytes: 512 },
      { name: [3, "Unified"], kilobytes: 16384, share: ({ cpu }) => Math.floor((cpu % 32) / 4) },
    ],
    nodes: times(4, (id) => ({ id, gigabytes: 64 })),
    distance: (from, to) => from === to ? 10 : from >> 1 === to >> 1 ? 12 : 32,
    devices: times(4, (node) => ({ pci: `0000:${["01", "41", "81", "c1"][node]}:00.0`, class: "120000", driver: "amdgpu", node })),
  };
}

/** Knights Landing: 64 slow cores with 4 threads, an L2 for every two, no L3, one node. */
function phi(): MachineDescription {
  return {
    model: "Intel(R) Xeon Phi(TM) CPU 7210 @ 1.30GHz",
    seats: times(256, (cpu) => ({ cpu, package: 0, core: cpu % 64, node: 0 })),
    caches: [
      { name: [1, "Data"], kilobytes: 32 },
      { name: [2, "Unified"], kilobytes: 1024, share: ({ cpu }) => Math.floor((cpu % 64) / 2) },
    ],
    nodes: [{ id: 0, gigabytes: 192 }],
    nohzFullCpus: range(2, 63),
    bootParameters: "nohz_full=2-63",
  };
}

/** The same in flat mode: 16 GiB of fast memory as a node without CPUs. */
function phiFlat(): MachineDescription {
  return {
    ...phi(),
    cpusFrom: "phi",
    nodes: [{ id: 0, gigabytes: 192 }, { id: 1, gigabytes: 16 }],
    distance: (from, to) => from === to ? 10 : 31,
  };
}

/** 80 Arm cores in pairs, numbered by firmware offsets; no threads, no L3, nothing about dies. */
function arm(): MachineDescription {
  return {
    model: null,
    seats: times(
      80,
      (cpu) => ({ cpu, package: 36, cluster: 86 + 60 * Math.floor(cpu / 2), core: 6144 + 30 * cpu, node: 0, capacity: 1024 }),
    ),
    caches: [{ name: [2, "Unified"], kilobytes: 1024 }],
    nodes: [{ id: 0, gigabytes: 256 }],
  };
}

/** A board with 4 slow and 4 fast Arm cores: package -1, no NUMA, caches without a size. */
function board(): MachineDescription {
  return {
    model: null,
    seats: times(8, (cpu) => ({
      cpu,
      package: -1,
      cluster: cpu < 4 ? 0 : 1,
      core: cpu % 4,
      node: 0,
      capacity: cpu < 4 ? 446 : 1024,
    })),
    caches: [{ name: [1, "Data"] }, { name: [2, "Unified"], share: ({ cpu }) => Math.floor(cpu / 4) }],
    nodes: [{ id: 0, gigabytes: 8 }],
    withoutNuma: true,
    release: "5.15.0",
  };
}

/** CPUs 4, 5, 7 and 13 are off, 10, 11, 14 and 15 were never there; packages 0 and 3, nodes 0 and 2. */
function holes(): MachineDescription {
  return {
    model: "Machine with holes",
    seats: [
      { cpu: 0, package: 0, core: 0, node: 0 },
      { cpu: 1, package: 0, core: 0, node: 0 },
      { cpu: 2, package: 0, core: 4, node: 0 },
      { cpu: 3, package: 0, core: 4, node: 0 },
      { cpu: 6, package: 0, core: 9, node: 0 },
      { cpu: 8, package: 3, core: 0, node: 2 },
      { cpu: 9, package: 3, core: 2, node: 2 },
      { cpu: 12, package: 3, core: 2, node: 2 },
    ],
    presentCpus: [...range(0, 9), 12, 13],
    possibleCpus: range(0, 15),
    isolatedCpus: [9, 12],
    caches: [{ name: [1, "Data"], kilobytes: 32 }, { name: [3, "Unified"], kilobytes: 8192, share: (seat) => seat.package }],
    nodes: [{ id: 0, gigabytes: 16 }, { id: 2, gigabytes: 16 }],
    bootParameters: "isolcpus=9,12",
  };
}

/** POWER9 with 4 of 8 threads on: packages 0 and 8, and four nodes of GPU memory without CPUs, numbered from 252. */
function power(): MachineDescription {
  const numbers = range(0, 63);
  return {
    model: null,
    seats: numbers.filter((cpu) => cpu % 8 < 4).map((cpu) => {
      const chip = cpu < 32 ? 0 : 8;
      return { cpu, package: chip, core: 8 * Math.floor(cpu / 8) + (chip ? 2000 : 0), node: chip };
    }),
    presentCpus: numbers,
    caches: [
      { name: [1, "Data"], kilobytes: 32 },
      { name: [1, "Instruction"], kilobytes: 32 },
      { name: [2, "Unified"], kilobytes: 512, share: ({ cpu }) => Math.floor(cpu / 16) },
      { name: [3, "Unified"], kilobytes: 10240, share: ({ cpu }) => Math.floor(cpu / 16) },
    ],
    nodes: [{ id: 0, gigabytes: 256 }, { id: 8, gigabytes: 256 }, ...range(252, 255).map((id) => ({ id, gigabytes: 16 }))],
    distance: (from, to) => from === to ? 10 : Math.max(from, to) > 8 ? 80 : 40,
  };
}

/** Desktop with 4 fast cores of 2 threads and 8 slow ones; four slow ones share an L2. */
function hybrid(): MachineDescription {
  const isFast = ({ cpu }: Seat) => cpu < 8;
  return {
    model: "12th Gen Intel(R) Core(TM) i7-1260P",
    seats: times(16, (cpu) => {
      const core = cpu < 8 ? 4 * (cpu >> 1) : 24 + cpu - 8;
      return { cpu, package: 0, die: 0, cluster: cpu < 8 ? core : 24 + 4 * ((cpu - 8) >> 2), core, node: 0 };
    }),
    caches: [
      { name: [1, "Data"], kilobytes: 48, of: isFast },
      { name: [1, "Data"], kilobytes: 32, of: (seat) => !isFast(seat) },
      { name: [2, "Unified"], kilobytes: 1280, of: isFast },
      { name: [2, "Unified"], kilobytes: 2048, of: (seat) => !isFast(seat), share: ({ cpu }) => cpu >> 2 },
      { name: [3, "Unified"], kilobytes: 18432, share: () => 0 },
    ],
    nodes: [{ id: 0, gigabytes: 32 }],
    kinds: { cpu_core: range(0, 7), cpu_atom: range(8, 15) },
  };
}

/** Two sockets of 64 cores in four nodes each, with an L3 for every 8 cores: n and n + 128 share a core. */
function big(): MachineDescription {
  return {
    model: "AMD EPYC 7763 64-Core Processor",
    seats: times(256, (cpu) => {
      const core = cpu % 128;
      return { cpu, package: Math.floor(core / 64), core: core % 64, node: Math.floor(core / 16) };
    }),
    caches: [
      { name: [2, "Unified"], kilobytes: 512 },
      { name: [3, "Unified"], kilobytes: 32768, share: ({ cpu }) => Math.floor((cpu % 128) / 8) },
    ],
    nodes: times(8, (id) => ({ id, gigabytes: 64 })),
    distance: (from, to) => from === to ? 10 : from >> 2 === to >> 2 ? 12 : 32,
  };
}

/** Machines by the name of their directory. */
export const descriptions: Readonly<Record<string, () => MachineDescription>> = {
  "arm-80": arm,
  "arm-board": board,
  "big-256": big,
  "epyc-4n": epyc,
  "holes": holes,
  "hybrid-16": hybrid,
  "phi": phi,
  "phi-flat": phiFlat,
  "power9-smt4": power,
  "xeon-2s": xeon,
};
