import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { readNumber, readText } from "./value.ts";

/** Memory that the kernel never had, as a device of its own (device DAX): set aside at boot, or behind a bus. */
export interface DaxDevice {
  /** Its name, such as `dax0.0`; the device file is `/dev/dax0.0`. */
  readonly name: string;
  /** Its size; 0 for a seed, which nobody made anything of yet. */
  readonly bytes: number;
  /** Mappings begin and end at multiples of this. */
  readonly alignBytes: number;
  /** The nearest NUMA node. */
  readonly node: number;
  /** The driver that has it: `device_dax` for mapping; `kmem` gave it to the kernel; `null` is none. */
  readonly driver: string | null;
}

const busDirectory = "/sys/bus/dax/devices";

/** Reads the devices, ascending by region and number; `[]` on a kernel without them. */
export function readDaxDevices(files: KernelFiles): DaxDevice[] {
  if (!files.exists(busDirectory)) return [];
  return files.list(busDirectory).flatMap(({ name }): DaxDevice[] => {
    if (!/^dax\d+\.\d+$/.test(name)) return [];
    const directory = `${busDirectory}/${name}`;
    const driver = files.link(`${directory}/driver`);
    return [{
      name,
      bytes: readNumber(files, `${directory}/size`) ?? 0,
      alignBytes: readNumber(files, `${directory}/align`) ?? 2 ** 21,
      node: Math.max(0, Number(readText(files, `${directory}/target_node`) ?? readText(files, `${directory}/numa_node`) ?? 0)),
      driver: driver === null ? null : driver.slice(driver.lastIndexOf("/") + 1),
    }];
  }).sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
}
