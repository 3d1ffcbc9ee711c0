import { RefusedError } from "../errors.ts";
import { cgroupDirectory, type Hierarchy, hierarchyOf } from "../kernel/cgroup.ts";
import type { Inventory } from "../kernel/inventory.ts";
import type { Change } from "./step.ts";

/** What may be known of the container that something is planned for. */
export interface Site {
  /** The machine. */
  readonly inventory: Inventory;
  /** Name of the container. */
  readonly name: string;
  /** Its CPUs, ascending. */
  readonly cpus: readonly number[];
  /** NUMA nodes it may take memory from, ascending. */
  readonly nodes: readonly number[];
  /** `service` is the ServiceOS: it shares, and nothing of it is exclusive. */
  readonly role: "compute" | "service";
}

/** A container's cgroup in the hierarchy of a controller, and the changes that make it. */
export interface Seat {
  /** Version and mount of the hierarchy. */
  readonly hierarchy: Hierarchy;
  /** Directory of the container's cgroup. */
  readonly directory: string;
  /** Controller enabled (v2), cgroup made. */
  readonly changes: readonly Change[];
}

/**
 * Plans the cgroup of a container for one controller. Several ask for the same one on version 2; the composer
 * keeps the first.
 *
 * @throws {RefusedError} If no mounted hierarchy has the controller.
 */
export function takeSeat(site: Site, controller: string, why: string): Seat {
  const { cgroups } = site.inventory;
  const hierarchy = hierarchyOf(cgroups, controller);
  if (hierarchy === null) {
    throw new RefusedError(`Cannot ${why}: no mounted cgroup hierarchy has the ${controller} controller`, {
      remedy: controllerRemedy(cgroups.mode, controller),
    });
  }
  const directory = cgroupDirectory(hierarchy, site.name);
  const changes: Change[] = [];
  if (hierarchy.version === 2) {
    changes.push({
      kind: "controller",
      what: `${hierarchy.mount}:${controller}`,
      to: "+",
      why: `children of the root get the ${controller} controller`,
      shared: true,
    });
  }
  changes.push({
    kind: "cgroup",
    what: directory,
    to: "",
    why: `${site.role === "service" ? "the ServiceOS" : `container ${site.name}`}, to ${why}`,
  });
  return { hierarchy, directory, changes };
}

function controllerRemedy(mode: string, controller: string): string {
  switch (mode) {
    case "none":
      return "Mount cgroup v2: mount -t cgroup2 cgroup2 /sys/fs/cgroup";
    case "v2":
      return `The kernel lacks it, or it was disabled at boot: look for cgroup_disable=${controller} in /proc/cmdline`;
    default:
      return `Mount it: mkdir -p /sys/fs/cgroup/${controller} && mount -t cgroup -o ${controller} cgroup /sys/fs/cgroup/${controller}`;
  }
}
