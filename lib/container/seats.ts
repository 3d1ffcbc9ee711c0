import type { LaunchRequest } from "../../ffi/launch.ts";
import type { Inventory } from "../kernel/inventory.ts";
import type { Holding } from "../plan/ledger.ts";

/** Where programs of a container are born: in its cgroup of version 2, and in those of version 1. */
export function seatsOf(inventory: Inventory, holding: Holding): Pick<LaunchRequest, "cgroup" | "tasks"> {
  const directories = holding.steps.filter(({ kind }) => kind === "cgroup").map(({ what }) => what);
  const isVersion2 = (directory: string) =>
    inventory.cgroups.hierarchies.some(({ version, mount }) => version === 2 && directory.startsWith(`${mount}/`));
  return {
    cgroup: directories.find(isVersion2),
    tasks: directories.filter((directory) => !isVersion2(directory)).map((directory) => `${directory}/tasks`),
  };
}
