import { processesOf } from "../../lib/container/processes.ts";
import type { ContainerSpec } from "../../lib/container/spec.ts";
import { Inventory } from "../../lib/kernel/inventory.ts";
import { type HugeCount, type MemoryCount, readHugeCounts, readMemoryCount } from "../../lib/memory/counts.ts";
import { type ProcessMemory, readProcessMemory } from "../../lib/memory/mappings.ts";
import { ownership } from "../../lib/memory/ownership.ts";
import { readUnitUses, type UnitUse } from "../../lib/memory/unit_use.ts";
import { formatSize } from "../../lib/memory/unit.ts";
import { formatBytes } from "../../lib/report/quantity.ts";
import { table } from "../../lib/report/table.ts";
import type { Context } from "../context.ts";
import type { MemoryFlags } from "./command.ts";

/** Mappings of a process that are worth a line each. */
const mappingsShown = 5;

/** Shows one container's units, what is in use of them, and what its programs use outside. */
export async function showContainer(context: Context, { json }: MemoryFlags, name: string): Promise<void> {
  const node = await context.node();
  const holding = node.find(name);
  const { memory } = holding.spec as ContainerSpec;
  const inventory = new Inventory(node.kernel);
  const units = memory === undefined ? [] : readUnitUses(inventory, name, memory);
  const pids = processesOf(node.kernel, holding);
  const processes = pids.flatMap((pid) => readProcessMemory(node.kernel, pid, name, memory?.units ?? []) ?? []);
  const hiddenCount = pids.length - processes.length;
  const huge = readHugeCounts(inventory, name).filter(({ maxBytes, currentBytes, reservedBytes }) =>
    (maxBytes ?? 0) + currentBytes + reservedBytes > 0
  );
  const counted = readMemoryCount(inventory, name);
  if (json) {
    const byNode = huge.map(({ bytesByNode, ...rest }) => ({ ...rest, bytesByNode: Object.fromEntries(bytesByNode) }));
    return context.json({
      name,
      policy: memory?.policy ?? null,
      programs: memory?.programs ?? null,
      owner: memory?.owner ?? null,
      units: units.map(({ unit, ...rest }) => ({ ...unit, ownership: ownership[unit.backend], ...rest })),
      processes,
      hiddenProcesses: hiddenCount,
      counted: { huge: byNode, memory: counted },
    });
  }
  context.print(unitTable(name, units));
  if (memory !== undefined) {
    context.print(`\npolicy ${memory.policy}, programs ${memory.programs}, objects for ${memory.owner.uid}:${memory.owner.gid}`);
  }
  context.print(`\n${processTable(processes, hiddenCount)}`);
  const counts = countTable(huge, counted);
  if (counts !== "") context.print(`\n${counts}`);
}

function unitTable(name: string, units: readonly UnitUse[]): string {
  if (units.length === 0) return `Container ${name} has no memory of its own; give it some: nodeos memory grant ${name} 1GiB`;
  const rows = units.map(({ unit, usedBytes, path, mappers }) => [
    unit.id,
    formatSize(unit.bytes),
    unit.backend,
    unit.nodes.join(", ") || "any",
    formatSize(unit.pageBytes),
    formatBytes(usedBytes),
    unit.object === undefined ? "-" : mappers.map(({ pid, name }) => `${name} (${pid})`).join(", ") || "nobody",
    path ?? ownership[unit.backend],
  ]);
  const columns = [
    { title: "UNIT" },
    { title: "SIZE", right: true },
    { title: "BACKEND" },
    { title: "NODE" },
    { title: "PAGES", right: true },
    { title: "USED", right: true },
    { title: "MAPPED BY" },
    { title: "WHERE" },
  ];
  return table(columns, rows);
}

function processTable(processes: readonly ProcessMemory[], hiddenCount: number): string {
  const hidden = `Programs in it that only root may look at: ${hiddenCount}`;
  if (processes.length === 0) return hiddenCount > 0 ? hidden : "No program runs in it.";
  const rows = processes.flatMap(({ pid, command, unitBytes, outside }) => {
    const own = outside.reduce((sum, { anonymousBytes }) => sum + anonymousBytes, 0);
    const shared = outside.reduce((sum, { sharedBytes }) => sum + sharedBytes, 0);
    const shown = outside.filter(({ anonymousBytes }) => anonymousBytes > 0).toSorted((a, b) => b.anonymousBytes - a.anonymousBytes);
    return [
      [`${pid}`, command, formatBytes(unitBytes), formatBytes(own), formatBytes(shared), "all mappings"],
      ...shown.slice(0, mappingsShown).map(({ name, anonymousBytes, sharedBytes }) => [
        "",
        "",
        "",
        formatBytes(anonymousBytes),
        formatBytes(sharedBytes),
        name,
      ]),
      ...(shown.length > mappingsShown ? [["", "", "", "", "", `${shown.length - mappingsShown} more (--json)`]] : []),
    ];
  });
  const numbers = ["IN UNITS", "OUTSIDE, OWN", "OUTSIDE, OF FILES"].map((title) => ({ title, right: true }));
  const text = table([{ title: "PROCESS", right: true }, { title: "PROGRAM" }, ...numbers, { title: "MAPPING" }], rows);
  return hiddenCount > 0 ? `${text}\n${hidden}` : text;
}

function countTable(huge: readonly HugeCount[], memory: MemoryCount | null): string {
  const limit = (bytes: number | null) => bytes === null ? "no limit" : formatSize(bytes);
  const rows = [
    ...huge.flatMap(({ pageBytes, currentBytes, maxBytes, reservedBytes, reservedMaxBytes }) => [
      [`huge pages of ${formatSize(pageBytes)}`, formatSize(currentBytes), limit(maxBytes)],
      ["  promised to mappings", formatSize(reservedBytes), limit(reservedMaxBytes)],
    ]),
    ...(memory === null ? [] : [
      ["ordinary memory, all", formatBytes(memory.currentBytes), limit(memory.maxBytes)],
      ["  of programs", formatBytes(memory.anonymousBytes), ""],
      ["  copies of files", formatBytes(memory.fileBytes - memory.sharedBytes), ""],
      ["  shared, objects among it", formatBytes(memory.sharedBytes), ""],
    ]),
  ];
  return rows.length === 0
    ? ""
    : table([{ title: "AS THE KERNEL COUNTS" }, { title: "NOW", right: true }, { title: "LIMIT", right: true }], rows);
}
