import type { Evidence, UnitEvidence } from "./evidence.ts";
import { type AuditScene, type Finding, frames } from "./finding.ts";
import { commonRuns, countFrames, formatRuns, mergeRuns, otherRuns } from "../frame_runs.ts";
import { formatSize, type Unit } from "../unit.ts";

/** Objects are populated when they are granted; memory of programs comes when they touch it. */
export function askWhole(evidence: UnitEvidence, { basePageBytes }: AuditScene): Finding[] {
  const { unit, runs, path } = evidence;
  if (path === null) return [];
  const foundBytes = countFrames(runs) * basePageBytes;
  const problem = foundBytes === unit.bytes ? null : `${formatSize(foundBytes)} of ${formatSize(unit.bytes)} are there`;
  return [finding(evidence, "whole", problem, `${formatSize(unit.bytes)} in ${countFrames(runs)} frames, ${runs.length} runs`)];
}

/** What the kernel does not manage has no node. */
export function askPlaced(evidence: UnitEvidence, { nodeFrames }: AuditScene): Finding {
  const { container, unit, runs } = evidence;
  const known = mergeRuns(unit.nodes.flatMap((node) => nodeFrames.get(node) ?? []));
  if (unit.backend === "devdax") {
    return {
      container,
      unit: unit.id,
      question: "placed",
      verdict: "unknown",
      message: "the kernel has no node for memory it does not manage",
    };
  }
  if (known.length === 0) {
    return {
      container,
      unit: unit.id,
      question: "placed",
      verdict: "unknown",
      message: "the kernel does not say which frames its nodes have",
    };
  }
  const stray = otherRuns(runs, known);
  const problem = stray.length === 0 ? null : `${frames(stray)} lie elsewhere: ${formatRuns(stray)}`;
  return finding(evidence, "placed", problem, runs.length === 0 ? "nothing of it is there yet" : `all on node ${unit.nodes.join(", ")}`);
}

/** No frame is in two units. */
export function askApart(evidence: UnitEvidence, { units }: Evidence): Finding {
  const twins = units.filter((other) => other !== evidence).map((other) => ({ other, common: commonRuns(evidence.runs, other.runs) }))
    .filter(({ common }) => common.length > 0);
  const problem = twins.length === 0
    ? null
    : twins.map(({ other, common }) => `${frames(common)} are in ${other.unit.id} of ${other.container} as well: ${formatRuns(common)}`)
      .join("; ");
  return finding(evidence, "apart", problem, `compared with ${units.length - 1} others`);
}

/** No process of anybody else has a frame of it, seen or not. */
export function askAlone(evidence: UnitEvidence): Finding {
  const { container, unit, intruders, foundMappings, countedMappings } = evidence;
  if (intruders.length > 0) {
    const who = intruders.map(({ pid, container, runs }) =>
      `process ${pid} of ${container === null ? "no container" : `container ${container}`} has ${frames(runs)}`
    );
    return finding(evidence, "alone", who.join("; "), "");
  }
  if (countedMappings !== null && countedMappings > foundMappings) {
    const problem = `its frames are mapped ${countedMappings} times, and the processes that were looked at map them ${foundMappings} times`;
    return finding(evidence, "alone", problem, "");
  }
  if (countedMappings === null) {
    const message = "no process outside of its container has any; how often they are mapped, the kernel does not say";
    return { container, unit: unit.id, question: "alone", verdict: "holds", message };
  }
  return finding(evidence, "alone", null, `mapped ${countedMappings} times, all by its container's programs`);
}

/** Pages of files in memory are charged to the container, as its programs' are. */
export function askCharged(evidence: UnitEvidence, { containers, cgroupNames }: AuditScene): Finding[] {
  const cgroup = containers.find(({ name }) => name === evidence.container)?.cgroup ?? null;
  if (evidence.unit.backend !== "tmpfs" || cgroup === null || evidence.charged.size === 0) return [];
  const foreign = [...evidence.charged].filter(([id]) => id !== cgroup);
  const problem = foreign.map(([id, count]) =>
    `${count} frames are charged to ${id === 0 ? "nobody" : cgroupNames.get(id) ?? `cgroup ${id}`}`
  ).join("; ");
  return [finding(evidence, "counted", problem || null, `charged to the container, ${evidence.charged.get(cgroup) ?? 0} frames`)];
}

function finding(
  { container, unit }: Pick<UnitEvidence, "container"> & { unit: Unit },
  question: Finding["question"],
  problem: string | null,
  good: string,
): Finding {
  return { container, unit: unit.id, question, verdict: problem === null ? "holds" : "fails", message: problem ?? good };
}
