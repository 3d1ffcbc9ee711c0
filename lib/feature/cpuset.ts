import { formatCpuList } from "../kernel/cpulist.ts";
import { type Site, takeSeat } from "../plan/seat.ts";
import type { Change } from "../plan/step.ts";
import type { Feature } from "./feature.ts";

/** The CPUs and memory nodes themselves: given to nobody else. Every container has it; there is nothing to wish. */
export const cpuset: Feature<void> = {
  name: "cpuset",
  doc: "CPUs of the container's own, and memory from its NUMA nodes only",
  default: undefined,
  plan(site: Site): Change[] {
    const { hierarchy, directory, changes } = takeSeat(site, "cpuset", "own CPUs");
    const file = (name: string, to: string, why: string): Change => ({ kind: "file", what: `${directory}/${name}`, to, why });
    const plan = [
      ...changes,
      { ...file("cpuset.cpus", formatCpuList(site.cpus), "its CPUs"), initial: "" },
      file("cpuset.mems", formatCpuList(site.nodes), "memory from these NUMA nodes"),
    ];
    if (site.role === "service") return plan;
    if (hierarchy.version === 1) return [...plan, file("cpuset.cpu_exclusive", "1", "no other cpuset may share them")];
    // Kernels from 6.7 on trim the siblings of a partition by this file; older ones have the partition alone.
    const hasExclusive = site.inventory.files.exists(`${hierarchy.mount}/cpuset.cpus.isolated`);
    const exclusive = { ...file("cpuset.cpus.exclusive", formatCpuList(site.cpus), "no other cpuset may share them"), initial: "" };
    return hasExclusive ? [...plan, exclusive] : plan;
  },
};
