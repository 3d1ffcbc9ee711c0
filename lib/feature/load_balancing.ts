import { type Site, takeSeat } from "../plan/seat.ts";
import type { Change } from "../plan/step.ts";
import type { Birth, Feature } from "./feature.ts";

/** Whether the kernel may move threads between the CPUs of a container. */
export type LoadBalancing = "off" | "on";

/**
 * Load balancing inside a container.
 *
 * On cgroup v2 the container becomes a partition: `isolated` without balancing, `root` with. In an isolated partition
 * new threads stay on the CPU of their parent (four threads took four times as long, measured on 6.1 and 7.2), so it
 * comes with the placement of every thread.
 *
 * On cgroup v1 the cpuset's own flag is cleared. It takes effect where the root cpuset's flag is clear as well, which
 * is a change of the whole node and belongs to its evacuation: while tasks of others still stand in the root cpuset,
 * balancing is what takes them away from the container's CPUs.
 */
export const loadBalancing: Feature<LoadBalancing> = {
  name: "loadBalancing",
  doc: "Whether the kernel moves threads between the container's CPUs; off places each thread on a CPU of its own",
  default: "off",
  plan(site: Site, wish: LoadBalancing): Change[] {
    if (site.role === "service") return [];
    const { hierarchy, directory } = takeSeat(site, "cpuset", "own CPUs");
    if (hierarchy.version === 1) {
      const to = wish === "off" ? "0" : "1";
      return [{ kind: "file", what: `${directory}/cpuset.sched_load_balance`, to, why: `load balancing ${wish}` }];
    }
    const to = wish === "off" ? "isolated" : "root";
    const what = `${directory}/cpuset.cpus.partition`;
    return [{ kind: "file", what, to, why: `a scheduling domain of its own, load balancing ${wish}`, initial: "member" }];
  },
  birth(site: Site, wish: LoadBalancing): Birth {
    return { placeThreads: site.role === "compute" && wish === "off" && site.cpus.length > 1 };
  },
};
