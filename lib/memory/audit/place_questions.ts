import type { Evidence, NodeEvidence } from "./evidence.ts";
import { type AuditScene, type Finding, frames } from "./finding.ts";
import { commonRuns, countFrames, formatRuns } from "../frame_runs.ts";
import { formatSize } from "../unit.ts";

/** A whole node: nobody else's programs have memory there, and those of its owner have none elsewhere. */
export function askNode(node: NodeEvidence, evidence: Evidence, scene: AuditScene): Finding[] {
  return [askNodeAlone(node, evidence, scene), ...(node.node === node.unit.nodes[0] ? [askNodePlaced(node, evidence, scene)] : [])];
}

/** The kernel itself has some everywhere. */
function askNodeAlone(evidence: NodeEvidence, { units }: Evidence, scene: AuditScene): Finding {
  const { container, unit, node, owners } = evidence;
  const { containers, nodes, nodeFrames, basePageBytes } = scene;
  const answer = (verdict: Finding["verdict"], message: string): Finding => ({
    container,
    unit: unit.id,
    question: "alone",
    verdict,
    message,
  });
  if (owners.size === 0) return answer("unknown", `nobody counted the frames of node ${node}`);
  const size = (id: number | null) => formatSize((id === null ? 0 : owners.get(id)?.anonymousCount ?? 0) * basePageBytes);
  const foreign = units.filter((other) => other.container !== container).flatMap((other) => {
    const common = commonRuns(nodeFrames.get(node) ?? [], other.runs);
    return common.length === 0 ? [] : [`unit ${other.unit.id} of ${other.container} has ${frames(common)} on node ${node}`];
  });
  const neighbours = containers.filter(({ name, cgroup }) =>
    name !== container && cgroup !== null && (owners.get(cgroup)?.anonymousCount ?? 0) > 0
  )
    .map(({ name, cgroup }) => `container ${name} has ${size(cgroup)} on node ${node}`);
  if (foreign.length + neighbours.length > 0) return answer("fails", [...foreign, ...neighbours].join("; "));
  const strangers = strangersOf(evidence, scene);
  if (strangers === null) {
    const own = containers.find(({ name }) => name === container)?.cgroup ?? null;
    return answer("holds", `node ${node}: its programs have ${size(own)} there, and nobody else's have any`);
  }
  // Where nobody keeps them off, that is known, and said by the map.
  const isOpen = nodes.some(({ id, isOpen }) => id === node && isOpen);
  return answer(isOpen ? "unknown" : "fails", `${strangers}${isOpen ? "; the feature tasks moves them" : ""}`);
}

/** What programs outside of containers have on a node, in words; `null` when they have nothing. */
function strangersOf({ node, owners }: NodeEvidence, { containers, cgroupNames, basePageBytes }: AuditScene): string | null {
  const size = (count: number) => formatSize(count * basePageBytes);
  const strangers = [...owners].filter(([id, { anonymousCount }]) =>
    id !== 0 && anonymousCount > 0 && !containers.some(({ cgroup }) => cgroup === id)
  ).sort(([, a], [, b]) => b.anonymousCount - a.anonymousCount);
  if (strangers.length === 0) return null;
  const count = strangers.reduce((sum, [, { anonymousCount }]) => sum + anonymousCount, 0);
  const names = strangers.slice(0, 3).map(([id, { anonymousCount }]) => `${cgroupNames.get(id) ?? `cgroup ${id}`} ${size(anonymousCount)}`);
  return `programs outside of containers have ${size(count)} on node ${node} (${names.join(", ")})`;
}

function askNodePlaced({ container, unit }: NodeEvidence, { outside }: Evidence, { basePageBytes }: AuditScene): Finding {
  const count = outside.find((part) => part.container === container)?.anonymousCount ?? 0;
  const place = { container, unit: unit.id, question: "placed" } as const;
  if (count === 0) return { ...place, verdict: "holds", message: "all memory of its programs lies in its units" };
  return { ...place, verdict: "fails", message: `${formatSize(count * basePageBytes)} of its programs' memory lie in no unit` };
}

/** Huge pages that lie where the container has none. */
export function askStray(container: string, { outside }: Evidence, { basePageBytes }: AuditScene): Finding[] {
  const stray = outside.find((part) => part.container === container)?.strayRuns ?? [];
  if (stray.length === 0) return [];
  const message = `${formatSize(countFrames(stray) * basePageBytes)} of huge pages lie in none of its units: ${formatRuns(stray)}`;
  return [{ container, unit: null, question: "placed", verdict: "fails", message }];
}
