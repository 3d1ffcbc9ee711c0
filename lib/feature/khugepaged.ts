import type { Change } from "../plan/step.ts";
import { type NodeFeature, type Scene, setting } from "./node_feature.ts";

/** Four bytes of ones, the most that the file takes: the kernel makes an endless wait of all above 2^31. */
const foreverMs = "4294967295";

/**
 * khugepaged no longer looks through the memory of programs for pages to put together into huge ones. A program still
 * gets huge pages at its faults and by `MADV_COLLAPSE`, as before.
 *
 * What it waits between two rounds is the one setting that stops it without taking huge pages away: `enabled` decides
 * about faults as well, `pages_to_scan` refuses 0, `alloc_sleep_millisecs` counts only when there was no huge page to be
 * had, and `khugepaged/defrag` only keeps it from making room for one. The same on Linux 6.1 and 7.2, where we saw
 * `full_scans` stop at the write, and go on at the write that puts it back. The write itself wakes it for one last round.
 *
 * Source: Documentation/admin-guide/mm/transhuge.rst. Cost: memory that was touched while no huge page was free stays in
 * small ones, on the whole node.
 */
export const khugepaged: NodeFeature = {
  name: "khugepaged",
  doc: "Whether the kernel collects the pages of running programs into huge ones; they get huge pages at faults either way",
  words: ["off", "on"],
  reach: "node",
  plan(scene: Scene): Change[] {
    const what = "/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs";
    return setting(scene, what, foreverMs, "khugepaged waits, and moves no pages of running programs");
  },
};
