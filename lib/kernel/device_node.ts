import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { readText } from "./value.ts";

/** A device that programs open by a name in `/dev`. */
export interface DeviceNode {
  /** Its path as the kernel names it, such as `/dev/dri/renderD128`; links such as `/dev/disk/by-id/...` are others' names. */
  readonly path: string;
  /** A character or a block device, as mknod(1) calls them. */
  readonly type: "c" | "b";
  /** Number of its driver. */
  readonly major: number;
  /** Number of the device with that driver. */
  readonly minor: number;
}

/** Reads all devices that have a name in `/dev`, without looking there; those of NVIDIA's own driver among them. */
export function readDeviceNodes(files: KernelFiles): DeviceNode[] {
  const nodes: DeviceNode[] = [];
  for (const [type, directory] of [["c", "/sys/dev/char"], ["b", "/sys/dev/block"]] as const) {
    for (const { name } of files.list(directory)) {
      const path = /^DEVNAME=(.+)$/m.exec(readText(files, `${directory}/${name}/uevent`) ?? "")?.[1];
      const [major, minor] = name.split(":").map(Number);
      if (path !== undefined) nodes.push({ path: `/dev/${path}`, type, major, minor });
    }
  }
  const known = new Set(nodes.map(({ path }) => path));
  return [...nodes, ...nvidiaNodes(files).filter(({ path }) => !known.has(path))];
}

/** NVIDIA's driver tells the kernel no names of its devices; what they are called and numbered is in its manual. */
function nvidiaNodes(files: KernelFiles): DeviceNode[] {
  const majors = new Map<string, number>();
  const [characters] = (files.tryRead("/proc/devices") ?? "").split("\nBlock devices:");
  for (const [, major, name] of characters.matchAll(/^\s*(\d+) (\S+)$/gm)) majors.set(name, Number(major));
  const nodes: DeviceNode[] = [];
  const add = (name: string, major: number | undefined, minor: number) => {
    if (major !== undefined) nodes.push({ path: `/dev/${name}`, type: "c", major, minor });
  };
  const driver = majors.get("nvidia") ?? majors.get("nvidia-frontend");
  for (const { name } of files.list("/proc/driver/nvidia/gpus")) {
    const text = files.tryRead(`/proc/driver/nvidia/gpus/${name}/information`) ?? "";
    const minor = /^Device Minor:\s*(\d+)/m.exec(text)?.[1];
    if (minor !== undefined) add(`nvidia${minor}`, driver, Number(minor));
  }
  add("nvidia-modeset", driver, 254);
  add("nvidiactl", driver, 255);
  add("nvidia-uvm", majors.get("nvidia-uvm"), 0);
  add("nvidia-uvm-tools", majors.get("nvidia-uvm"), 1);
  return nodes;
}
