import type { Change } from "../plan/step.ts";
import { type NodeFeature, type Scene, setting } from "./node_feature.ts";

const run = "/sys/kernel/mm/ksm/run";

/**
 * ksmd no longer compares pages of programs to merge equal ones. A node where it does not run is left alone.
 *
 * What is merged stays merged: 0 stops the thread, while 2 would take all merged pages apart at once, needs the memory
 * for it at that moment, and could not be put back: to find them again takes ksmd minutes to hours.
 *
 * Source: Documentation/admin-guide/mm/ksm.rst. Cost: new equal pages take memory each; a write to a merged page is a
 * fault, as before.
 */
export const ksm: NodeFeature = {
  name: "ksm",
  doc: "Whether the kernel looks for equal pages of programs to merge them",
  words: ["off", "on"],
  reach: "node",
  plan(scene: Scene): Change[] {
    if (scene.original({ kind: "file", what: run }) !== "1") return [];
    return setting(scene, run, "0", "ksmd stops; what it merged stays merged");
  },
};
