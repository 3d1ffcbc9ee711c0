import type { Change } from "../plan/step.ts";
import { type NodeFeature, type Scene, setting } from "./node_feature.ts";

/**
 * The kernel no longer moves pages about ahead of time to have large free blocks when somebody wants one.
 *
 * kcompactd does so twice a second where it finds memory too scattered. Each page it moves is taken out of the page
 * tables of its program first, which interrupts every CPU that the program runs on.
 *
 * Compaction on demand stays. Source: Documentation/admin-guide/sysctl/vm.rst, compaction_proactiveness (since Linux 5.9).
 * Cost: who needs huge pages after a long time may have to wait for them; putting it back wakes kcompactd once.
 */
export const compaction: NodeFeature = {
  name: "compaction",
  doc: "Whether the kernel moves pages ahead of time to have large free blocks",
  words: ["off", "on"],
  reach: "node",
  plan(scene: Scene): Change[] {
    return setting(scene, "/proc/sys/vm/compaction_proactiveness", "0", "no page is moved ahead of need");
  },
};
