import { RefusedError } from "../../lib/errors.ts";
import type { Node } from "../../lib/container/node.ts";
import { processesOf } from "../../lib/container/processes.ts";
import { restorePower } from "../../lib/power/access/journal.ts";
import { removeDeadPages } from "../../lib/power/governor/cores_page.ts";
import { currentWriter, endWriter, type Writer } from "../../lib/power/access/writer.ts";
import { printDown, reportDown } from "../report_down.ts";
import type { Context } from "../context.ts";
import type { RestoreFlags } from "./command.ts";

/** Puts back everything that nodeos changed on this node. */
export default async function restore(this: Context, flags: RestoreFlags): Promise<void> {
  const node = await this.node();
  const ledger = node.ledger();
  const journal = `${this.stateDirectory}/power`;
  const writer = currentWriter(node.kernel, journal);
  if (!flags.dryRun) removeDeadPages(node.kernel, journal);
  const isBare = ledger.holdings.length === 0 && ledger.node === undefined;
  if (isBare && writer === null) return this.say("nodeos: nothing to put back");
  if (flags.dryRun) {
    printPower(this, writer);
    return printDown(this, node, []);
  }
  if (!flags.force) checkIdle(node, writer);
  const graceMs = flags.grace * 1000;
  // A controller of power that lives would set it again.
  await endWriter(node.kernel, journal, graceMs);
  const power = await restorePower(node.kernel, journal);
  removeDeadPages(node.kernel, journal);
  const settingCount = currentWriter(node.kernel, journal) === null ? writer?.steps.length ?? 0 : power.steps.length;
  if (settingCount > 0) this.say(`nodeos: put back ${settingCount} ${settingCount === 1 ? "setting" : "settings"} of power`);
  const { removed, left } = isBare ? { removed: [], left: [] } : await node.down([], graceMs);
  reportDown(this, { removed, left: [...power.left, ...left] });
}

function checkIdle(node: Node, writer: Writer | null): void {
  const busy = node.ledger().holdings.filter((holding) => processesOf(node.kernel, holding).length > 0).map(({ name }) => name);
  if (busy.length > 0) {
    throw new RefusedError(`Cannot put the node back: programs run in ${busy.join(", ")}`, {
      remedy: "End them (nodeos stop NAME), or say --force",
    });
  }
  if (writer === null || writer.pid === null) return;
  throw new RefusedError(`Cannot put the node back: process ${writer.pid} (${writer.who}) sets power`, {
    remedy: `End it (kill ${writer.pid}): its settings then go back; or say --force`,
  });
}

function printPower(context: Context, writer: Writer | null): void {
  if (writer === null) return;
  if (writer.pid !== null) context.print(`end process ${writer.pid}, which sets power`);
  for (const { what, from } of writer.steps.toReversed()) context.print(`${what} <- ${from}`);
}
