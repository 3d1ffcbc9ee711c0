import { RefusedError } from "../../lib/errors.ts";
import { processesOf } from "../../lib/container/processes.ts";
import { printDown, reportDown } from "../report_down.ts";
import type { Context } from "../context.ts";
import type { RestoreFlags } from "./command.ts";

/** Puts back everything that nodeos changed on this node. */
export default async function restore(this: Context, flags: RestoreFlags): Promise<void> {
  const node = await this.node();
  const ledger = node.ledger();
  if (ledger.holdings.length === 0 && ledger.node === undefined) return this.say("nodeos: nothing to put back");
  if (flags.dryRun) return printDown(this, node, []);
  const busy = ledger.holdings.filter((holding) => processesOf(node.kernel, holding).length > 0).map(({ name }) => name);
  if (busy.length > 0 && !flags.force) {
    throw new RefusedError(`Cannot put the node back: programs run in ${busy.join(", ")}`, {
      remedy: "End them (nodeos stop NAME), or say --force",
    });
  }
  reportDown(this, await node.down([], flags.grace * 1000));
}
