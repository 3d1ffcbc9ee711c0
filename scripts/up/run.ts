import { relocate } from "../relocate.ts";
import { formatCpuList } from "../../lib/kernel/cpulist.ts";
import { readSpecFile } from "../../lib/container/spec_file.ts";
import type { Context } from "../context.ts";
import { printPlan } from "../print_plan.ts";
import type { UpFlags } from "./command.ts";

/** Makes the containers of a specification. */
export default async function up(this: Context, flags: UpFlags, file: string): Promise<void> {
  const { request, locate } = readSpecFile(file);
  const node = await this.node();
  if (flags.dryRun) return printPlan(this, await relocate(locate, () => node.plan(request)), flags.json);
  const specs = await relocate(locate, () => node.up(request, "persistent"));
  if (flags.json) return this.json({ containers: specs });
  for (const { name, role, cpus } of specs) {
    this.say(`nodeos: ${role === "service" ? "the ServiceOS" : `container ${name}`} is up on CPUs ${formatCpuList(cpus)}`);
  }
  const quiet = specs.find(({ quiet }) => quiet.length > 0);
  if (quiet) this.say(`nodeos: what stays on their CPUs whatever is done: nodeos show ${quiet.name}`);
}
