import { relocate } from "../relocate.ts";
import { formatCpuList } from "../../lib/kernel/cpulist.ts";
import { readSpecFile } from "../../lib/container/spec_file.ts";
import { ownership } from "../../lib/memory/ownership.ts";
import { describeUnit } from "../../lib/memory/unit.ts";
import type { Context } from "../context.ts";
import { printPlan } from "../print_plan.ts";
import { weakUnits } from "../weak_units.ts";
import type { UpFlags } from "./command.ts";

/** Makes the containers of a specification. */
export default async function up(this: Context, flags: UpFlags, file: string): Promise<void> {
  const { request, locate } = readSpecFile(file);
  const node = await this.node();
  if (flags.dryRun) return printPlan(this, await relocate(locate, () => node.plan(request)), flags.json);
  const specs = await relocate(locate, () => node.up(request, "persistent"));
  if (flags.json) return this.json({ containers: specs });
  for (const { name, role, cpus, memory } of specs) {
    this.say(`nodeos: ${role === "service" ? "the ServiceOS" : `container ${name}`} is up on CPUs ${formatCpuList(cpus)}`);
    for (const unit of memory?.units ?? []) {
      this.say(`nodeos: unit ${unit.id} of ${name}: ${describeUnit(unit)}, by ${unit.backend} (${ownership[unit.backend]})`);
    }
  }
  for (const line of weakUnits(specs, request.containers)) this.say(line);
  const quiet = specs.find(({ quiet }) => quiet.length > 0);
  if (quiet) this.say(`nodeos: what stays on their CPUs whatever is done: nodeos show ${quiet.name}`);
}
