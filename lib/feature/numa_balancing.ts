import type { Change } from "../plan/step.ts";
import { type NodeFeature, type Scene, setting } from "./node_feature.ts";

/**
 * The kernel no longer looks for memory that is far from the threads that use it.
 *
 * To look, it takes pages out of reach and waits for the fault, in every program of the node. A container has memory of
 * chosen NUMA nodes only, so there is little to find; pages that are out of reach at this moment still fault, once.
 *
 * There is no switch for less than the whole node. Source: Documentation/admin-guide/sysctl/kernel.rst, numa_balancing.
 * Cost: programs of the ServiceOS keep memory where it first came to lie; where memory has tiers (the value has 2 in
 * it), pages that are in use no longer rise to the fast one.
 */
export const numaBalancing: NodeFeature = {
  name: "numaBalancing",
  doc: "Whether the kernel takes pages out of reach to find memory that is far from its threads",
  words: ["off", "on"],
  reach: "node",
  plan(scene: Scene): Change[] {
    return setting(scene, "/proc/sys/kernel/numa_balancing", "0", "no faults to find out which NUMA node memory is used from");
  },
};
