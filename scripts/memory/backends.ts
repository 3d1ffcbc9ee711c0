import { Inventory } from "../../lib/kernel/inventory.ts";
import { specsOf } from "../../lib/container/ledger_specs.ts";
import { unitsOf } from "../../lib/memory/unit.ts";
import { readBackends } from "../../lib/memory/ownership.ts";
import { table } from "../../lib/report/table.ts";
import type { Context } from "../context.ts";
import type { MemoryFlags } from "./command.ts";

/** Lists how this machine can own memory, the strongest way first. */
export async function showBackends(context: Context, { json }: MemoryFlags): Promise<void> {
  const node = await context.node();
  const backends = readBackends(new Inventory(node.kernel), specsOf(node.ledger()).map(unitsOf));
  if (json) return context.json({ backends });
  const makes = (what: readonly string[]) => what.map((one) => one === "heap" ? "memory of programs" : "objects").join(", ");
  const rows = backends.map((
    { name, makes: what, ownership, problem, here },
  ) => [name, problem === null ? here : "no", makes(what), ownership]);
  context.print(table([{ title: "BACKEND" }, { title: "HERE" }, { title: "MAKES" }, { title: "OWNERSHIP" }], rows));
  const missing = backends.filter(({ problem }) => problem !== null);
  if (missing.length > 0) context.print("\nNOT HERE");
  for (const { name, problem } of missing) context.print(`  ${name}: ${problem}`);
  const boots = backends.filter(({ boot }) => boot !== null);
  if (boots.length > 0) context.print("\nTO HAVE MORE, BOOT WITH");
  for (const { name, boot } of boots) context.print(`  ${name}: ${boot}`);
}
