import type { Change } from "../plan/step.ts";
import { type NodeFeature, type Scene, setting } from "./node_feature.ts";

/**
 * Only programs that ask for huge pages (`MADV_HUGEPAGE`) get them.
 *
 * A fault that is answered with a huge page clears 2 MiB at once, and may first make room for them: a detour of its own
 * length in a program that did not ask for it. What `defrag` says of those that do ask stays as it is. Pages that are
 * huge already stay huge.
 *
 * Source: Documentation/admin-guide/mm/transhuge.rst. Cost: programs that used huge pages without asking have more TLB
 * misses; where huge pages were switched off (`never`), those that ask get them now.
 */
export const transparentHugePages: NodeFeature = {
  name: "transparentHugePages",
  doc: "Whether only programs that ask get transparent huge pages, or what the node says stays",
  words: ["madvise", "keep"],
  reach: "node",
  plan(scene: Scene): Change[] {
    const what = "/sys/kernel/mm/transparent_hugepage/enabled";
    return setting(scene, what, "madvise", "huge pages only for programs that ask for them", "choice");
  },
};
