import { decideMemoryChange, type MemoryChange } from "../../lib/container/grant.ts";
import { parseBytes } from "../../lib/container/quantity.ts";
import type { ContainerSpec } from "../../lib/container/spec.ts";
import { parseUnit } from "../../lib/container/unit_text.ts";
import type { Inventory } from "../../lib/kernel/inventory.ts";
import { bytesOf, describeUnit } from "../../lib/memory/unit.ts";
import type { Ledger } from "../../lib/plan/ledger.ts";
import type { Context } from "../context.ts";
import { printPlan } from "../print_plan.ts";
import { weakUnits } from "../weak_units.ts";
import type { MemoryFlags } from "./command.ts";

/** Gives a container another unit, takes one, or makes one larger or smaller. */
export async function changeMemory(
  context: Context,
  { dryRun, json }: MemoryFlags,
  verb: "grant" | "resize" | "revoke",
  [name, ...words]: readonly string[],
): Promise<void> {
  const change = parseChange(verb, words);
  const decide = (inventory: Inventory, ledger: Ledger) => [decideMemoryChange(inventory, ledger, name, change)];
  const node = await context.node();
  // First of all: whether there is such a container.
  const had = node.find(name).spec as ContainerSpec;
  if (dryRun) return printPlan(context, node.planChange(decide), json);
  const [spec] = await node.change(decide);
  if (json) return context.json({ container: spec });
  const units = spec.memory?.units ?? [];
  if (units.length === 0) return context.say(`nodeos: container ${name} has no memory of its own now`);
  context.say(`nodeos: container ${name} has ${units.map((unit) => `${unit.id} (${describeUnit(unit)})`).join(", ")} now`);
  if (change.kind === "grant" && amountOf(spec) > amountOf(had)) {
    for (const line of weakUnits([spec], [{ name, memory: { units: [change.unit] } }])) context.say(line);
  }
}

/** What it has that is an amount only. */
function amountOf({ memory }: ContainerSpec): number {
  return bytesOf(memory?.units.filter(({ backend }) => backend === "limit") ?? []);
}

function parseChange(verb: "grant" | "resize" | "revoke", [first, second]: readonly string[]): MemoryChange {
  switch (verb) {
    case "grant":
      return { kind: "grant", unit: parseUnit(first) };
    case "revoke":
      return { kind: "revoke", id: first };
    case "resize":
      return { kind: "resize", id: first, bytes: parseBytes(second) };
  }
}
