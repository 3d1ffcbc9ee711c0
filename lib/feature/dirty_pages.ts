import type { Change } from "../plan/step.ts";
import { type NodeFeature, type Scene, setting } from "./node_feature.ts";

const directory = "/proc/sys/vm";
const ratioPercentMax = 1;
const intervalCentisecondsMax = 100;

/**
 * File data is written out early and in small portions, not late and all at once.
 *
 * - `dirty_background_ratio`, usually 10 %: writing begins only when that much of the memory is waiting, tens of GiB on
 *   a large node, and then keeps disks, locks and whoever writes busy for as long. At 1 % it begins sooner and is done
 *   sooner, far from `dirty_ratio`, where the kernel stops the programs themselves.
 * - `dirty_writeback_centisecs`, usually 5 s: what has become old since is written in one go. Once a second there is a
 *   fifth of it. Where nothing waits, nobody is woken.
 *
 * `dirty_ratio` and `dirty_expire_centisecs` say who has to wait and how old data gets, not how much comes at once: they
 * stay. So does a limit in bytes: to write a ratio sets it to 0, and putting the ratio back would not bring it back. An
 * interval of 0 (no writing by age) is somebody's decision, and stays as well; smaller values do, too.
 *
 * Source: Documentation/admin-guide/sysctl/vm.rst. Cost: short-lived files that memory would have held to their end reach
 * the disk; disks are woken more often.
 */
export const dirtyPages: NodeFeature = {
  name: "dirtyPages",
  doc: "Whether file data is written out early in small portions, or as usual late in large ones",
  words: ["calm", "usual"],
  reach: "node",
  plan(scene: Scene): Change[] {
    return [
      ...atMost(scene, "dirty_background_ratio", ratioPercentMax, "writing begins early, before much has gathered"),
      ...atMost(scene, "dirty_writeback_centisecs", intervalCentisecondsMax, "old data is written once a second, a little at a time"),
    ];
  },
};

/** 0 is never lowered: it means that a limit in bytes counts, or that there is no interval at all. */
function atMost(scene: Scene, name: string, max: number, why: string): Change[] {
  const what = `${directory}/${name}`;
  const before = Number(scene.original({ kind: "file", what }) ?? 0);
  return before > max ? setting(scene, what, `${max}`, why) : [];
}
