import { processesOf } from "../../lib/container/processes.ts";
import { NotRunningError } from "../../lib/errors.ts";
import type { Context } from "../context.ts";
import type { StopFlags } from "./command.ts";

/** Ends the programs of a container. */
export default async function stop(this: Context, flags: StopFlags, name: string): Promise<void> {
  const node = await this.node();
  if (flags.dryRun) return this.print(`end processes ${processesOf(node.kernel, node.find(name)).join(", ") || "(none)"} of ${name}`);
  const count = await node.stop(name, flags.grace * 1000);
  if (count === 0) throw new NotRunningError(`Cannot stop container ${name}: nothing runs in it`);
  this.say(`nodeos: ended ${count} ${count === 1 ? "process" : "processes"} of ${name}`);
}
