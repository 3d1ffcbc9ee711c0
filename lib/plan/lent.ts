import { RefusedError } from "../errors.ts";
import { readHolders } from "../kernel/holder.ts";
import { readNumber } from "../kernel/value.ts";
import { memoryOf } from "./memory_of.ts";
import type { Driver, Kernel } from "./kernel.ts";

const root = { uid: 0, gid: 0 };

/**
 * A device of memory that somebody may map, by the path of a symbolic link to it; `/dev/dax0.0 UID:GID`. It is filled with
 * zeroes before. Other permissions than those for its owner alone show behind that, as `mode 660`.
 */
export const lentDriver: Driver = {
  read(kernel, path) {
    const device = kernel.memory?.target(path) ?? null;
    if (device === null) return null;
    const file = kernel.memory!.file(device);
    if (file === null) return `${device} gone`;
    return `${device} ${file.uid}:${file.gid}${file.mode === 0o600 ? "" : ` mode ${file.mode.toString(8)}`}`;
  },
  write(kernel, path, value) {
    const memory = memoryOf(kernel);
    const old = memory.target(path);
    const [, device, uid, gid] = /^(\/dev\/dax\d+\.\d+) (\d+):(\d+)/.exec(value ?? "") ?? [];
    if (value !== null && device === undefined) {
      throw new SyntaxError(`Cannot read ${JSON.stringify(value)} as a lent device: it reads "/dev/dax0.0 UID:GID"`);
    }
    // The link is there as long as the device may be somebody's: whoever finds it knows what to take back.
    if (old !== null && old !== device) {
      if (memory.file(old) !== null) memory.own(old, 0, root);
      memory.remove(path);
    }
    if (device === undefined) return;
    refuseHeld(kernel, device);
    if (old !== device) memory.link(path, device);
    memory.own(device, sizeOf(kernel, device), { uid: Number(uid), gid: Number(gid) });
  },
};

/** Nobody can be made to let go of a device, and who has it would see what its next owner writes. */
function refuseHeld(kernel: Kernel, device: string): void {
  const holders = readHolders(kernel, device);
  if (holders.length === 0) return;
  const names = holders.map(({ pid, name }) => `${name} (process ${pid})`).join(", ");
  throw new RefusedError(`Cannot lend ${device}: it is still open or mapped by ${names}`, { remedy: "End that first" });
}

function sizeOf(kernel: Kernel, device: string): number {
  const file = `/sys/bus/dax/devices/${device.slice("/dev/".length)}/size`;
  const bytes = readNumber(kernel, file);
  if (bytes === null || bytes <= 0) throw new RefusedError(`Cannot lend ${device}: ${file} does not say how large it is`);
  return bytes;
}
