import { formatCpuList } from "../kernel/cpulist.ts";
import { formatBytes } from "./quantity.ts";
import { table } from "./table.ts";
import {
  type CacheBranch,
  cacheName,
  type CpuOwners,
  cpusByOwner,
  type NodeBranch,
  type TopologyInput,
  topologyTree,
} from "./topology_tree.ts";

const columnsMax = 100;

/**
 * A machine as text: a summary, the tree of packages, memory nodes, caches and CPUs, then distances and owners.
 *
 * @param owners Who has which CPU; without any, that table is left out.
 */
export function topologyText(topology: TopologyInput, owners: CpuOwners = new Map()): string {
  const { packages, memoryOnly } = topologyTree(topology);
  const lines = [...(topology.model ? [topology.model] : []), ...topologySummary(topology), ""];
  for (const { id, nodes } of packages) {
    lines.push(`package ${id}`);
    nodes.forEach((node, index) => {
      const isLast = index === nodes.length - 1;
      lines.push(`${isLast ? "└─ " : "├─ "}${nodeText(node.nodes)}`);
      lines.push(...branchText(node).map((line) => `${isLast ? "   " : "│  "}${line}`));
    });
  }
  for (const node of memoryOnly) lines.push(`${nodeText([node])}, no CPUs`);
  if (topology.offlineCpus.length > 0) lines.push(`offline CPUs ${formatCpuList(topology.offlineCpus)}`);
  if (topology.nodes.length > 1) lines.push("", distanceText(topology));
  if (owners.size > 0) lines.push("", ownerText(topology, owners));
  return lines.join("\n");
}

/** Counts of everything, as lines for people. */
export function topologySummary(topology: TopologyInput): string[] {
  const threads = new Set(topology.cores.map(({ cpus }) => cpus.length));
  const counts = [
    count(topology.packages.length, "package"),
    count(topology.nodes.length, "memory node"),
    count(topology.cores.length, "core") + kindText(topology),
    count(topology.cpus.length, "CPU") + (threads.size === 1 && !threads.has(1) ? ` (${[...threads]} threads per core)` : ""),
    `${formatBytes(topology.memoryBytes)} memory (${formatBytes(topology.availableBytes)} available)`,
  ];
  const caches = new Map<string, number>();
  for (const cache of topology.caches.toReversed()) {
    const name = cacheName(cache) + (cache.sizeBytes === null ? "" : ` ${formatBytes(cache.sizeBytes)}`);
    caches.set(name, (caches.get(name) ?? 0) + 1);
  }
  const cacheText = [...caches].map(([name, number]) => number === 1 ? name : `${number} x ${name}`).join(", ");
  return [counts.join(", "), ...(cacheText ? [`caches: ${cacheText}`] : [])];
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

function kindText({ cores }: TopologyInput): string {
  const kinds = [...new Set(cores.map(({ kind }) => kind))].filter((kind) => kind !== null);
  if (kinds.length === 0) return "";
  return ` (${kinds.map((kind) => `${cores.filter((core) => core.kind === kind).length} ${kind}`).join(", ")})`;
}

function nodeText(nodes: NodeBranch["nodes"]): string {
  const [first, ...others] = nodes;
  const pools = first.hugePages.filter(({ totalCount }) => totalCount > 0)
    .map(({ pageBytes, totalCount, freeCount }) => `, huge pages of ${formatBytes(pageBytes)}: ${totalCount} (${freeCount} free)`);
  const memory = `node ${first.id}: ${formatBytes(first.memoryBytes)}, ${formatBytes(first.freeBytes)} free${pools.join("")}`;
  return others.length === 0 ? memory : `${memory}; same CPUs: ${others.map((node) => nodeText([node])).join("; ")}`;
}

function branchText({ groups }: NodeBranch): string[] {
  return groups.flatMap((group, index) => {
    const isLast = index === groups.length - 1;
    const [first, ...rest] = coreText(group);
    const indent = " ".repeat(groupTitle(group).length);
    return [
      `${isLast ? "└─ " : "├─ "}${groupTitle(group)}${first}`,
      ...rest.map((line) => `${isLast ? "   " : "│  "}${indent}${line}`),
    ];
  });
}

function groupTitle({ cache }: CacheBranch): string {
  if (cache === null) return "CPUs ";
  return `${cacheName(cache)}${cache.sizeBytes === null ? "" : ` ${formatBytes(cache.sizeBytes)}`}: `;
}

/** Cores with several threads one by one, since their numbers are what people look for; others as one list. */
function coreText({ cores }: CacheBranch): string[] {
  if (cores.every(({ cpus }) => cpus.length === 1)) return [formatCpuList(cores.flatMap(({ cpus }) => cpus))];
  const lines = [""];
  for (const { cpus } of cores) {
    const text = formatCpuList(cpus);
    const line = lines[lines.length - 1];
    if (line.length + text.length + 2 > columnsMax) lines.push(text);
    else lines[lines.length - 1] = line === "" ? text : `${line}  ${text}`;
  }
  return lines;
}

function distanceText({ nodes }: TopologyInput): string {
  const columns = [{ title: "DISTANCE" }, ...nodes.map(({ id }) => ({ title: `${id}`, right: true }))];
  return table(columns, nodes.map(({ id, distances }) => [`from ${id}`, ...distances.map(String)]));
}

function ownerText(topology: TopologyInput, owners: CpuOwners): string {
  const rows = cpusByOwner(topology, owners).map(([owner, cpus]) => {
    const nodes = new Set(topology.cpus.filter(({ id }) => cpus.includes(id)).map(({ node }) => node));
    return [owner ?? "(free)", `${cpus.length}`, formatCpuList(cpus), formatCpuList(nodes)];
  });
  return table([{ title: "OWNER" }, { title: "COUNT", right: true }, { title: "CPUS" }, { title: "NODES" }], rows);
}
