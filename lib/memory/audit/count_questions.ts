import type { UnitEvidence } from "./evidence.ts";
import type { AuditScene, Finding } from "./finding.ts";
import { countFrames, mergeRuns } from "../frame_runs.ts";
import { bytesOf, formatSize, type Unit } from "../unit.ts";

/** The hugetlb controller's counts are those of the frames, and its limits those of the units; objects are not counted. */
export function askHuge(
  container: string,
  units: readonly Unit[],
  evidence: readonly UnitEvidence[],
  { counts, basePageBytes }: AuditScene,
): Finding[] {
  return (counts.get(container)?.huge ?? []).flatMap(({ pageBytes, currentBytes, maxBytes, reservedMaxBytes, bytesByNode }): Finding[] => {
    const own = units.filter((unit) => unit.backend === "hugetlb" && unit.object === undefined && unit.pageBytes === pageBytes);
    if (own.length === 0) return [];
    const ownedBytes = bytesOf(own);
    const found = evidence.filter(({ unit }) => own.includes(unit));
    const foundBytes = (node: number) =>
      countFrames(mergeRuns(found.filter(({ unit }) => unit.node === node).flatMap(({ runs }) => runs))) * basePageBytes;
    const used = [...bytesByNode].flatMap(([node, bytes]) => bytes > 0 ? [node] : []);
    const nodes = [...new Set([...own.map(({ node }) => node), ...used])].sort((a, b) => a - b);
    const byNode = nodes.map((node): Finding => {
      const [counted, seen] = [bytesByNode.get(node) ?? 0, foundBytes(node)];
      const pages = `huge pages of ${formatSize(pageBytes)} on node ${node}`;
      const base = { container, unit: null, question: "counted" } as const;
      if (counted === seen) return { ...base, verdict: "holds", message: `${formatSize(seen)} of ${pages}` };
      const message = `the kernel counts ${formatSize(counted)} of ${pages}, and ${formatSize(seen)} were found`;
      // Pages of a file that is open and not mapped have no page table to be found in.
      return counted > seen && counted <= ownedBytes
        ? { ...base, verdict: "unknown", message: `${message}; the rest is mapped by nobody` }
        : { ...base, verdict: "fails", message };
    });
    const limits = maxBytes === ownedBytes && reservedMaxBytes === ownedBytes;
    const name = (bytes: number | null) => bytes === null ? "no limit" : formatSize(bytes);
    return [...byNode, {
      container,
      unit: null,
      question: "bounded",
      verdict: limits && currentBytes <= ownedBytes ? "holds" : "fails",
      message: limits
        ? `${formatSize(currentBytes)} of ${formatSize(ownedBytes)} in huge pages of ${formatSize(pageBytes)}`
        : `it may have ${name(maxBytes)} of huge pages of ${formatSize(pageBytes)}, and be promised ${
          name(reservedMaxBytes)
        }; its units have ${formatSize(ownedBytes)}`,
    }];
  });
}

/**
 * The kernel bounds huge pages by container, not by node: programs that do not get theirs from our libraries may take more of
 * a node than the units there have.
 */
export function askShares(container: string, units: readonly Unit[], { counts }: AuditScene): Finding[] {
  return (counts.get(container)?.huge ?? []).flatMap(({ pageBytes, bytesByNode }): Finding[] => {
    const own = units.filter((unit) => unit.backend === "hugetlb" && unit.object === undefined && unit.pageBytes === pageBytes);
    const nodes = [...new Set([...own.map(({ node }) => node), ...bytesByNode.keys()])].sort((a, b) => a - b);
    const parts = nodes.map((node) => ({
      node,
      usedBytes: bytesByNode.get(node) ?? 0,
      ownBytes: bytesOf(own.filter((unit) => unit.node === node)),
    }));
    const over = parts.filter(({ usedBytes, ownBytes }) => usedBytes > ownBytes);
    if (own.length === 0 || (over.length === 0 && new Set(own.map(({ node }) => node)).size === 1)) return [];
    const text = ({ node, usedBytes, ownBytes }: typeof parts[number]) =>
      `${formatSize(usedBytes)} of huge pages of ${formatSize(pageBytes)} on node ${node}, where its units have ${formatSize(ownBytes)}`;
    const shown = over.length > 0 ? over : parts.filter(({ ownBytes }) => ownBytes > 0);
    return [{ container, unit: null, question: "kept", verdict: over.length > 0 ? "fails" : "holds", message: shown.map(text).join("; ") }];
  });
}

/** Pages that a unit has and nobody uses yet are in its pool, whoever else takes some. */
export function askPools(container: string, units: readonly Unit[], { nodes }: AuditScene): Finding[] {
  return units.filter(({ backend }) => backend === "hugetlb").flatMap((unit): Finding[] => {
    const pool = nodes.find(({ id }) => id === unit.node)?.pools.find(({ pageBytes }) => pageBytes === unit.pageBytes);
    if (pool === undefined) return [];
    const { totalCount, strangersCount, owners } = pool;
    const ownedCount = owners.reduce((sum, { count }) => sum + count, 0);
    const message = `${totalCount} pages, ${ownedCount} of units and ${strangersCount} used by programs outside of containers`;
    return [{
      container,
      unit: unit.id,
      question: "backed",
      verdict: totalCount >= ownedCount + strangersCount ? "holds" : "fails",
      message,
    }];
  });
}

/** Files in memory are a part of the shared memory that the kernel counts. */
export function askShared(container: string, units: readonly Unit[], { counts }: AuditScene): Finding[] {
  const ownedBytes = bytesOf(units.filter(({ backend }) => backend === "tmpfs"));
  const memory = counts.get(container)?.memory ?? null;
  if (ownedBytes === 0 || memory === null) return [];
  const verdict = memory.sharedBytes >= ownedBytes ? "holds" : "fails";
  const message = `the kernel counts ${formatSize(memory.sharedBytes)} of shared memory, objects have ${formatSize(ownedBytes)} of it`;
  return [{ container, unit: null, question: "counted", verdict, message }];
}

/** An amount has no frames: the kernel's limit is all there is to see. */
export function askLimit(container: string, unit: Unit, limitBytes: number, { counts }: AuditScene): Finding {
  const memory = counts.get(container)?.memory ?? null;
  const base = { container, unit: unit.id, question: "bounded" } as const;
  if (memory === null) return { ...base, verdict: "unknown", message: "nobody counts its memory" };
  const isBound = memory.maxBytes !== null && memory.maxBytes <= limitBytes && memory.currentBytes <= memory.maxBytes;
  const found = `${formatSize(memory.currentBytes)} of ${memory.maxBytes === null ? "no limit" : formatSize(memory.maxBytes)}`;
  return { ...base, verdict: isBound ? "holds" : "fails", message: `${found}; it has no frames of its own` };
}
