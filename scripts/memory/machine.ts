import { Inventory } from "../../lib/kernel/inventory.ts";
import { type Census, type NodeCensus, readCensus } from "../../lib/memory/census.ts";
import { ownership } from "../../lib/memory/ownership.ts";
import { describeUnit, formatSize } from "../../lib/memory/unit.ts";
import { specsOf } from "../../lib/container/ledger_specs.ts";
import { UsageError } from "../../lib/errors.ts";
import { formatCpuList } from "../../lib/kernel/cpulist.ts";
import { formatBytes } from "../../lib/report/quantity.ts";
import { table } from "../../lib/report/table.ts";
import type { Context } from "../context.ts";
import type { MemoryFlags } from "./command.ts";
import { drawMemory } from "./picture.ts";

/** Shows the machine's memory, and whose it is. */
export async function showMachine(context: Context, { json, svg }: MemoryFlags): Promise<void> {
  if (svg === "-" && json) {
    throw new UsageError("Cannot write a picture and something else to standard output", { remedy: "Name a file: --svg FILE" });
  }
  const node = await context.node();
  const census = readCensus(new Inventory(node.kernel), specsOf(node.ledger()));
  if (svg !== undefined) await drawMemory(context, node, census, svg);
  if (json) return context.json({ memory: census });
  if (svg === undefined) context.print(renderCensus(census));
}

/** A census as text. */
export function renderCensus(census: Census): string {
  return [nodeTable(census), poolTable(census), unitTable(census), deviceTable(census), remarks(census)].filter(Boolean).join("\n\n");
}

function nodeTable({ nodes, hugePageBytes }: Census): string {
  const isSplit = nodes.some(({ hardware }) => hardware.length > 1);
  const columns = [
    { title: "NODE", right: true },
    ...(isSplit ? [{ title: "HARDWARE" }] : []),
    ...[
      "SIZE",
      "FREE",
      "IN FILES",
      ...(hugePageBytes === null ? [] : [`FREE IN ${formatSize(hugePageBytes)} BLOCKS`]),
      "OF CONTAINERS",
      "NOBODY'S",
    ]
      .map((title) => ({ title, right: true })),
    { title: "WHO MAY USE IT" },
  ];
  const rows = nodes.map((node) => [
    `${node.id}`,
    ...(isSplit ? [`one with ${formatCpuList(node.hardware.filter((id) => id !== node.id)) || "none"}`] : []),
    formatBytes(node.bytes),
    formatBytes(node.freeBytes),
    formatBytes(node.fileBytes),
    ...(hugePageBytes === null ? [] : [wholeShare(node)]),
    formatBytes(node.ownedBytes),
    formatBytes(node.unownedBytes),
    whoMay(node),
  ]);
  return table(columns, rows);
}

/** How much of the free memory could become huge pages without moving anything. */
export function wholeShare({ wholeBytes, freeBytes }: NodeCensus): string {
  if (wholeBytes === null) return "?";
  return `${formatBytes(wholeBytes)}, ${freeBytes === 0 ? 0 : Math.min(100, Math.floor(100 * wholeBytes / freeBytes))} %`;
}

function whoMay({ owner, isOpen }: NodeCensus): string {
  if (owner === null) return "all";
  return isOpen ? `${owner}, and programs outside of containers` : owner;
}

function poolTable({ nodes }: Census): string {
  const rows = nodes.flatMap(({ id, pools }) =>
    pools.map(({ pageBytes, totalCount, freeCount, usedCount, strangersCount, owners }) => [
      `${id}`,
      formatSize(pageBytes),
      ...[totalCount, freeCount, usedCount, strangersCount].map(String),
      owners.map(({ name, count }) => `${name} ${count}`).join(", ") || "-",
    ])
  );
  if (rows.length === 0) return "";
  const numbers = ["HUGE PAGES OF", "RESERVED", "FREE", "USED BY CONTAINERS", "USED BY OTHERS"].map((title) => ({ title, right: true }));
  return table([{ title: "NODE", right: true }, ...numbers, { title: "BELONG TO" }], rows);
}

function unitTable({ units }: Census): string {
  if (units.length === 0) return "";
  const rows = units.map(({ owner, unit }) => [owner, unit.id, unit.backend, describeUnit(unit), ownership[unit.backend]]);
  return table([{ title: "CONTAINER" }, { title: "UNIT" }, { title: "BACKEND" }, { title: "WHAT" }, { title: "OWNERSHIP" }], rows);
}

function deviceTable({ devices }: Census): string {
  if (devices.length === 0) return "";
  const rows = devices.map(({ name, node, bytes, owner }) => [name, `${node}`, formatSize(bytes), owner ?? "nobody"]);
  return table([{ title: "DEVICE" }, { title: "NODE", right: true }, { title: "SIZE", right: true }, { title: "OWNER" }], rows);
}

function remarks({ nodes, units, sharers }: Census): string {
  const open = nodes.filter(({ isOpen }) => isOpen).map(({ id }) => id);
  const used = nodes.flatMap(({ id, pools }) => pools.filter(({ strangersCount }) => strangersCount > 0).map(() => id));
  return [
    ...(units.length === 0 ? ["No container has memory of its own; nodeos memory backends says how it could."] : []),
    ...(sharers.length > 0 ? [`Without memory of their own: ${sharers.join(", ")}.`] : []),
    ...(open.length > 0
      ? [
        `Programs outside of containers may use node ${
          formatCpuList(open)
        }; the feature tasks keeps them off (nodeos feature NAME enable tasks).`,
      ]
      : []),
    ...(used.length > 0 ? [`Programs outside of containers use huge pages of node ${formatCpuList([...new Set(used)])}.`] : []),
    ...nodes.flatMap(({ id, pools }) =>
      pools.flatMap(({ pageBytes, overdrawn }) =>
        overdrawn.map(({ name, count, ownCount }) =>
          `Container ${name} uses ${count} huge pages of ${formatSize(pageBytes)} on node ${id}, of which ${ownCount} are its own: ` +
          "others there may go short."
        )
      )
    ),
  ].join("\n");
}
