import type { Node } from "../../lib/container/node.ts";
import { Inventory } from "../../lib/kernel/inventory.ts";
import type { Census } from "../../lib/memory/census.ts";
import { gatherEvidence } from "../../lib/memory/audit/evidence.ts";
import { type FrameMap, type HeldFrames, mapFrames } from "../../lib/memory/audit/frame_map.ts";
import { mergeRuns } from "../../lib/memory/frame_runs.ts";
import { runningFrames } from "../../lib/memory/audit/running_frames.ts";
import { readBasePageBytes } from "../../lib/memory/supply.ts";
import { readNodeFrames } from "../../lib/memory/zones.ts";
import { cellCountOf, type MemoryHolder, type MemoryPanel, memorySvg } from "../../lib/report/memory_svg.ts";
import { formatBytes } from "../../lib/report/quantity.ts";
import type { Context } from "../context.ts";
import { writePicture } from "../write_picture.ts";
import { auditedContainers } from "./scene.ts";

/** Draws physical memory by owner into a file, or with `-` to standard output. */
export async function drawMemory(context: Context, node: Node, census: Census, path: string): Promise<void> {
  const inventory = new Inventory(node.kernel);
  const containers = auditedContainers(inventory, node.ledger());
  const basePageBytes = readBasePageBytes(inventory);
  const nodeFrames = readNodeFrames(node.kernel);
  const reader = runningFrames(node.kernel);
  const evidence = gatherEvidence(reader, containers, [], nodeFrames, basePageBytes);
  const held = containers.map(({ name, memory, cgroup }): HeldFrames => ({
    container: name,
    runs: mergeRuns(
      evidence.units.filter(({ container, unit }) => container === name && unit.device === undefined).flatMap(({ runs }) => runs),
    ),
    nodes: memory?.units.flatMap(({ backend, nodes }) => backend === "node" ? nodes : []) ?? [],
    cgroup,
  }));
  const devices = census.devices;
  const map = mapFrames(reader, nodeFrames, held, { cellCount: cellCountOf(nodeFrames.size + devices.length) });
  const host = node.kernel.tryRead("/proc/sys/kernel/hostname")?.trim() || "this machine";
  const svg = memorySvg(
    { title: `Memory of ${host} by owner`, lines: [summary(map, basePageBytes)] },
    holdersOf(map, census, basePageBytes),
    panelsOf(map, census),
  );
  await writePicture(context, path, svg);
}

function summary({ lookedCount, frameCount }: FrameMap, basePageBytes: number): string {
  const size = `frames of ${basePageBytes / 1024} KiB`;
  return lookedCount < frameCount
    ? `${lookedCount} of ${frameCount} ${size} were looked at; low addresses at the top left`
    : `All ${frameCount} ${size} were looked at; low addresses at the top left`;
}

/** What was seen of each, stretched to what was not looked at; devices are their owners', or free. */
function holdersOf({ holders, nodes, lookedCount, frameCount }: FrameMap, { devices }: Census, basePageBytes: number): MemoryHolder[] {
  const scale = lookedCount === 0 ? 0 : frameCount / lookedCount;
  return holders.map((holder, index): MemoryHolder => {
    const count = nodes.reduce((sum, { cells }) => cells.reduce((sum, { counts }) => sum + counts[index], sum), 0);
    const own = devices.filter(({ owner }) =>
      owner === null ? holder.kind === "free" : holder.kind === "unit" && holder.container === owner
    );
    return { ...holder, bytes: Math.round(count * scale) * basePageBytes + own.reduce((sum, { bytes }) => sum + bytes, 0) };
  });
}

function panelsOf({ holders, nodes }: FrameMap, census: Census): MemoryPanel[] {
  const ofNodes = nodes.map(({ id, cells }): MemoryPanel => {
    const node = census.nodes.find((node) => node.id === id);
    const owner = node?.owner ?? null;
    const free = node === undefined ? "" : `${formatBytes(node.freeBytes)} free, ${formatBytes(node.fileBytes)} in files`;
    const heading = `Node ${id}${node === undefined ? "" : ` · ${formatBytes(node.bytes)}`}${
      owner === null ? "" : `, all of it ${owner}'s`
    }`;
    return { heading, line: free, cells: cells.map(({ counts }) => counts) };
  });
  const ofDevices = census.devices.map(({ name, bytes, owner, node }): MemoryPanel => ({
    heading: `Device ${name} · ${formatBytes(bytes)}`,
    line: owner === null ? `at node ${node}, nobody's` : `at node ${node}, all of it ${owner}'s`,
    cells: [holders.map(({ kind, container }) => (owner === null ? kind === "free" : kind === "unit" && container === owner) ? 1 : 0)],
  }));
  return [...ofNodes, ...ofDevices];
}
