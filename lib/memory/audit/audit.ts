import { limitBytesOf } from "../unit.ts";
import { askHuge, askLimit, askPools, askShared, askShares } from "./count_questions.ts";
import type { Evidence } from "./evidence.ts";
import type { AuditScene, Finding } from "./finding.ts";
import { askAlone, askApart, askCharged, askPlaced, askWhole } from "./frame_questions.ts";
import { askNode, askStray } from "./place_questions.ts";

/** Holds the evidence against what has to be: of every unit every question, in the order of the containers. */
export function audit(evidence: Evidence, scene: AuditScene): Finding[] {
  return scene.containers.flatMap(({ name, memory }): Finding[] => {
    if (memory === undefined) return [];
    const units = evidence.units.filter(({ container }) => container === name);
    const nodes = evidence.nodes.filter(({ container }) => container === name);
    return [
      ...units.flatMap((unit) => [
        ...askWhole(unit, scene),
        askPlaced(unit, scene),
        askApart(unit, evidence),
        askAlone(unit),
        ...askCharged(unit, scene),
      ]),
      ...nodes.flatMap((node) => askNode(node, evidence, scene)),
      ...askStray(name, evidence, scene),
      ...askHuge(name, memory.units, units, scene),
      ...askShares(name, memory.units, scene),
      ...askPools(name, memory.units, scene),
      ...askShared(name, memory.units, scene),
      ...memory.units.filter(({ backend }) => backend === "limit").map((unit) =>
        askLimit(name, unit, limitBytesOf(memory) ?? unit.bytes, scene)
      ),
    ];
  });
}
