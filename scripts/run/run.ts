import { wait } from "../../ffi/launch.ts";
import { later } from "../later.ts";
import type { Context } from "../context.ts";
import { requestOf } from "../request.ts";
import { weakUnits } from "../weak_units.ts";
import type { RunFlags } from "./command.ts";

/** Runs one program in a container that lives as long as it does. */
export default async function run(this: Context, flags: RunFlags, ...argv: string[]): Promise<void> {
  const request = { containers: [requestOf(flags)] };
  if (flags.dryRun) {
    const { printPlan } = await later<typeof import("../print_plan.ts")>("print_plan");
    return printPlan(this, await (await this.node()).plan(request), flags.json);
  }
  // Making a container looks for what dead commands left behind, under its lock.
  const node = await this.unrecoveredNode();

  const specs = await node.up(request, "process");
  const [{ name }] = specs;
  try {
    for (const line of weakUnits(specs, request.containers)) this.say(line);
    const program = node.start(name, { argv, cwd: flags.cwd, credentials: flags.user, dieWithParent: true, forwardSignals: true });
    this.process.exitCode = wait(program, program.placement).code;
  } finally {
    const { left } = await node.down([name], 0);
    for (const { step, found } of left) this.say(`nodeos: ${step.what} is still ${found}, not ${step.from}; run "nodeos restore"`);
  }
}
