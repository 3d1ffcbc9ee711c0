import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { RefusedError } from "../errors.ts";
import { type Site, takeSeat } from "../plan/seat.ts";
import type { Change } from "../plan/step.ts";
import type { Feature } from "./feature.ts";

/** Whether the kernel may move memory of a container to swap devices. */
export type Swap = "off" | "on";

/**
 * Swapping of a container's memory. Off keeps in memory what is there; what was swapped before stays where it is until
 * it is used.
 *
 * On cgroup v2 nothing of the container is swapped any more: its share of the swap space is 0, compressed memory (zswap)
 * included. On cgroup v1 its swappiness is 0: at the container's own limit the kernel takes back file pages only, and a
 * program that needs more is ended as out of memory. When the whole node runs short, file pages still go first, but once
 * hardly any are left the kernel may swap pages of the container as well.
 */
export const swap: Feature<Swap> = {
  name: "swap",
  doc: "Whether memory of the container may be moved to swap devices",
  default: "on",
  plan(site: Site, wish: Swap): Change[] {
    const { files } = site.inventory;
    // Without the file the kernel was built without swapping.
    const swaps = files.tryRead("/proc/swaps");
    if (wish === "on" || swaps === null) return [];
    const { hierarchy: { version, mount }, directory, changes } = takeSeat(site, "memory", "keep its memory from swapping");
    const why = "none of its memory is swapped";
    if (version === 1) {
      // A new cgroup has that of its parent.
      const initial = files.read(`${mount}/memory.swappiness`).trim();
      return [...changes, { kind: "file", what: `${directory}/memory.swappiness`, to: "0", why, initial }];
    }
    if (countsSwap(files, mount)) return [...changes, { kind: "file", what: `${directory}/memory.swap.max`, to: "0", why, initial: "max" }];
    if (swaps.trim().split("\n").length < 2) return [];
    throw new RefusedError(`Cannot keep memory of container ${site.name} from swapping: the kernel does not count swap by cgroup`, {
      remedy: "Boot without swapaccount=0, or take the swap devices out of use: swapoff -a",
    });
  },
};

/** Whether cgroups of version 2 can be given a share of the swap space, told by those that are there. */
function countsSwap(files: KernelFiles, mount: string): boolean {
  const peer = files.list(mount).find(({ name, kind }) => kind === "directory" && files.exists(`${mount}/${name}/memory.max`));
  return peer === undefined || files.exists(`${mount}/${peer.name}/memory.swap.max`);
}
