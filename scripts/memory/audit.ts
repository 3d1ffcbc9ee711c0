import { NoSuchObjectError } from "../../lib/errors.ts";
import { Inventory } from "../../lib/kernel/inventory.ts";
import { listNumbered } from "../../lib/kernel/value.ts";
import { audit } from "../../lib/memory/audit/audit.ts";
import { type AuditScene, type Finding, questions } from "../../lib/memory/audit/finding.ts";
import { readCensus } from "../../lib/memory/census.ts";
import { readHugeCounts, readMemoryCount } from "../../lib/memory/counts.ts";
import { type Evidence, gatherEvidence } from "../../lib/memory/audit/evidence.ts";
import { runningFrames } from "../../lib/memory/audit/running_frames.ts";
import { readBasePageBytes } from "../../lib/memory/supply.ts";
import { readNodeFrames } from "../../lib/memory/zones.ts";
import { specsOf } from "../../lib/container/ledger_specs.ts";
import type { Node } from "../../lib/container/node.ts";
import { table } from "../../lib/report/table.ts";
import type { Context } from "../context.ts";
import { auditedContainers, cgroupNames } from "./scene.ts";
import type { MemoryFlags } from "./command.ts";

/** Programs come and go while page tables are read: what does not hold is looked at again so often. */
const looksMax = 3;
const pauseMs = 150;

/** Proves whose the memory is, and ends with 1 when something does not hold. */
export async function showAudit(context: Context, { json }: MemoryFlags, names: readonly string[]): Promise<void> {
  const node = await context.node();
  for (const name of names) node.find(name);
  if (names.length === 0 && node.ledger().holdings.length === 0) {
    throw new NoSuchObjectError("Cannot audit the memory of containers: there is none", {
      remedy: "Make one with nodeos up or nodeos run",
    });
  }
  let looked = look(node);
  for (let looks = 1; looks < looksMax && fails(looked.findings, names).length > 0; looks++) {
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    looked = look(node);
  }
  const { evidence, scene } = looked;
  const findings = looked.findings.filter(({ container }) => isWanted(container, names));
  const failing = fails(findings, names);
  if (failing.length > 0) context.process.exitCode = 1;
  if (json) return context.json({ holds: failing.length === 0, findings, lookedAt: lookedAt(evidence), units: unitsOf(evidence, names) });
  context.print(renderFindings(findings));
  context.print(`\n${summary(evidence, scene)}`);
  for (const { container, unit, message } of failing) {
    context.say(`nodeos: container ${container}${unit === null ? "" : `, unit ${unit}`}: ${message}`);
  }
}

function look(node: Node): { evidence: Evidence; scene: AuditScene; findings: Finding[] } {
  const inventory = new Inventory(node.kernel);
  const ledger = node.ledger();
  const containers = auditedContainers(inventory, ledger);
  const basePageBytes = readBasePageBytes(inventory);
  const nodeFrames = readNodeFrames(inventory.files);
  const inside = new Set(containers.flatMap(({ pids }) => pids));
  const others = listNumbered(inventory.files, "/proc", "").filter((pid) => !inside.has(pid));
  const evidence = gatherEvidence(runningFrames(inventory.files), containers, others, nodeFrames, basePageBytes);
  const counts = containers.map(({ name }) =>
    [name, { huge: readHugeCounts(inventory, name), memory: readMemoryCount(inventory, name) }] as const
  );
  const scene: AuditScene = {
    containers,
    counts: new Map(counts),
    nodeFrames,
    basePageBytes,
    cgroupNames: cgroupNames(inventory),
    nodes: readCensus(inventory, specsOf(ledger)).nodes,
  };
  return { evidence, scene, findings: audit(evidence, scene) };
}

function isWanted(container: string, names: readonly string[]): boolean {
  return names.length === 0 || names.includes(container);
}

function fails(findings: readonly Finding[], names: readonly string[]): Finding[] {
  return findings.filter(({ verdict, container }) => verdict === "fails" && isWanted(container, names));
}

function renderFindings(findings: readonly Finding[]): string {
  if (findings.length === 0) return "No container that was looked at has memory of its own.";
  const rows = findings.map(({ container, unit, question, verdict, message }) => [
    container,
    unit ?? "(all)",
    questions[question],
    verdict === "fails" ? "NO" : verdict === "holds" ? "yes" : "?",
    message,
  ]);
  return table([{ title: "CONTAINER" }, { title: "UNIT" }, { title: "QUESTION" }, { title: "HOLDS" }, { title: "FOUND" }], rows);
}

function lookedAt({ insideCount, outsideCount, hiddenCount, frameCount, nodes }: Evidence) {
  const nodeFrameCount = nodes.reduce(
    (sum, { owners }) => [...owners.values()].reduce((sum, { anonymousCount, otherCount }) => sum + anonymousCount + otherCount, sum),
    0,
  );
  return {
    containerProcesses: insideCount,
    otherProcesses: outsideCount,
    hiddenProcesses: hiddenCount,
    mappedFrames: frameCount,
    nodeFrames: nodeFrameCount,
  };
}

function summary(evidence: Evidence, { basePageBytes }: AuditScene): string {
  const { containerProcesses, otherProcesses, hiddenProcesses, mappedFrames, nodeFrames } = lookedAt(evidence);
  const unitFrames = evidence.units.reduce((sum, { runs }) => runs.reduce((sum, { count }) => sum + count, sum), 0);
  const lines = [
    `Looked at ${unitFrames} frames of units (${basePageBytes / 1024} KiB each), and at the ${mappedFrames} pages that ` +
    `${processes(containerProcesses)} of containers and ${otherProcesses} others have mapped.`,
    ...(nodeFrames > 0 ? [`Looked at each of the ${nodeFrames} frames of whole nodes.`] : []),
    ...(hiddenProcesses > 0
      ? [`Could not look at ${processes(hiddenProcesses)} hidden from root; the kernel counts what they map all the same.`]
      : []),
  ];
  return lines.join("\n");
}

function processes(count: number): string {
  return count === 1 ? "1 process" : `${count} processes`;
}

function unitsOf({ units }: Evidence, names: readonly string[]) {
  return units.filter(({ container }) => isWanted(container, names)).map(({ container, unit, path, runs, countedMappings }) => ({
    container,
    id: unit.id,
    path,
    runs: runs.map(({ frame, count }) => [frame, count]),
    mappings: countedMappings,
  }));
}
