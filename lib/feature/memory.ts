import { type Site, takeSeat } from "../plan/seat.ts";
import type { Change } from "../plan/step.ts";
import type { Feature } from "./feature.ts";

/** How much memory a container may use, in bytes; `null` is all of its NUMA nodes. */
export type MemoryLimit = number | null;

/** An upper limit of a container's memory; which nodes it comes from is the cpuset's. */
export const memory: Feature<MemoryLimit> = {
  name: "memory",
  doc: "The most memory that the container's programs may use together",
  default: null,
  plan(site: Site, limitBytes: MemoryLimit): Change[] {
    if (limitBytes === null) return [];
    const { hierarchy, directory, changes } = takeSeat(site, "memory", "limit its memory");
    const file = hierarchy.version === 1 ? "memory.limit_in_bytes" : "memory.max";
    // Version 1 says a number of its own for none, the same everywhere.
    const initial = hierarchy.version === 1 ? site.inventory.files.tryRead(`${hierarchy.mount}/${file}`)?.trim() : "max";
    return [...changes, { kind: "file", what: `${directory}/${file}`, to: `${limitBytes}`, why: "memory limit", initial }];
  },
};
