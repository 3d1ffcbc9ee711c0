import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { listNumbered, readCpuList, readNumber, readText } from "./value.ts";

/** What a device is for. */
export type DeviceKind = "accelerator" | "block" | "infiniband" | "network" | "nvme";

/** A device of the machine, not one that only software made, with the CPUs and memory it sits beside. */
export interface Device {
  /** What it is for; `nvme` is the controller, its disks are `block`. */
  readonly kind: DeviceKind;
  /** The kernel's name, such as `eth0` or `nvme0`; for an accelerator its PCI address. */
  readonly name: string;
  /** Address of its PCI function, such as `0000:3b:00.0`; `null` on other buses. */
  readonly pciAddress: string | null;
  /** PCI class, six digits in hexadecimal such as `030200`; `null` on other buses. */
  readonly pciClass: string | null;
  /** Name of the driver; `null` when none is bound. */
  readonly driver: string | null;
  /** `id` of the memory node it is attached to; `null` when the kernel does not know. */
  readonly node: number | null;
  /** CPUs near it, ascending; `[]` when the kernel does not say. */
  readonly localCpus: readonly number[];
}

const pciDirectory = "/sys/bus/pci/devices";
const classes: readonly (readonly [DeviceKind, string])[] = [
  ["block", "/sys/block"],
  ["infiniband", "/sys/class/infiniband"],
  ["network", "/sys/class/net"],
  ["nvme", "/sys/class/nvme"],
];

/** Reads accelerators, disks, InfiniBand, network interfaces and NVMe controllers, ordered by kind, then by name. */
export function readDevices(files: KernelFiles): Device[] {
  const devices: Device[] = [];
  for (const { name } of files.list(pciDirectory)) {
    const path = resolveLink(files, `${pciDirectory}/${name}`);
    if (isAcceleratorClass(readText(files, `${path}/class`) ?? "")) devices.push(describe(files, "accelerator", name, path));
  }
  for (const [kind, directory] of classes) {
    for (const { name, kind: entryKind } of files.list(directory)) {
      if (entryKind === "file") continue; // such as bonding_masters
      const path = physicalPath(files, resolveLink(files, `${directory}/${name}`));
      if (path !== null) devices.push(describe(files, kind, name, path));
    }
  }
  const order = (kind: DeviceKind, name: string) => `${kind} ${name.replace(/\d+/g, (digits) => digits.padStart(8, "0"))}`;
  return devices.sort((a, b) => order(a.kind, a.name) < order(b.kind, b.name) ? -1 : 1);
}

function describe(files: KernelFiles, kind: DeviceKind, name: string, path: string): Device {
  const parents = deviceAndParents(path);
  const pci = parents.find((parent) => /\/[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/.test(parent)) ?? null;
  const driver = first(parents, (parent) => files.link(`${parent}/driver`));
  const node = first(parents, (parent) => readNumber(files, `${parent}/numa_node`));
  return {
    kind,
    name,
    pciAddress: pci === null ? null : baseName(pci),
    pciClass: pci === null ? null : pciClass(files, pci),
    driver: driver === null ? null : baseName(driver),
    node: node === null || node < 0 ? null : node,
    localCpus: first(parents, (parent) => readCpuList(files, `${parent}/local_cpulist`)) ?? [],
  };
}

/** Where a device really is; `null` for one that only software made (loopback, bridges, RAM disks). */
function physicalPath(files: KernelFiles, path: string): string | null {
  if (!path.startsWith("/sys/devices/virtual/")) return path;
  // A disk that several NVMe controllers could reach hangs below their virtual subsystem: any of them leads to it.
  const subsystem = /^(.*\/nvme-subsys\d+)(\/|$)/.exec(path)?.[1];
  if (subsystem === undefined) return null;
  const [controller] = listNumbered(files, subsystem, "nvme");
  return controller === undefined ? null : resolveLink(files, `${subsystem}/nvme${controller}`);
}

function pciClass(files: KernelFiles, path: string): string | null {
  return /^0x([0-9a-f]{6})$/.exec(readText(files, `${path}/class`) ?? "")?.[1] ?? null;
}

/** Whether a PCI class, as sysfs prints it, is a display controller, a processing accelerator or a co-processor. */
export function isAcceleratorClass(text: string): boolean {
  return /^0x(03|12|0b40)/.test(text);
}

function first<T>(parents: readonly string[], read: (parent: string) => T | null): T | null {
  for (const parent of parents) {
    const value = read(parent);
    if (value !== null) return value;
  }
  return null;
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The directory of a device and those it hangs below, nearest first, up to and without `/sys/devices`. */
export function deviceAndParents(path: string): string[] {
  const parts = path.split("/");
  return parts.slice(3).map((_, index) => parts.slice(0, parts.length - index).join("/"));
}

/** The absolute path that a symbolic link leads to; `path` itself when it is none. */
export function resolveLink(files: KernelFiles, path: string): string {
  const target = files.link(path);
  if (target === null) return path;
  const parts: string[] = [];
  for (const part of target.startsWith("/") ? target.split("/") : [...path.split("/").slice(0, -1), ...target.split("/")]) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}
