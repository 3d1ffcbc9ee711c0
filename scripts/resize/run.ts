import { decideResize, type Resize } from "../../lib/container/resize.ts";
import type { ContainerSpec } from "../../lib/container/spec.ts";
import { UsageError } from "../../lib/errors.ts";
import { formatCpuList } from "../../lib/kernel/cpulist.ts";
import type { Context } from "../context.ts";
import { printPlan } from "../print_plan.ts";
import type { ResizeFlags } from "./command.ts";

/** Resizes one container, and whoever gives or gets the CPUs. */
export default async function resize(this: Context, flags: ResizeFlags, name: string): Promise<void> {
  const { cpus, nodes, take, give } = flags;
  const [memoryBytes, pidsMax] = [flags.memory, flags.pids].map((limit) => limit === "none" ? null : limit);
  if ([cpus, nodes, memoryBytes, pidsMax].every((value) => value === undefined)) {
    throw new UsageError("Cannot resize to nothing new", { remedy: "Say what it shall have: --cpus, --memory, --nodes or --pids" });
  }
  const node = await this.node();
  const wishes: Resize[] = [{ name, cpus, nodes, memoryBytes, pidsMax }];
  if (give !== undefined) {
    const released = node.find(name).spec as ContainerSpec;
    const taker = node.find(give).spec as ContainerSpec;
    const freed = released.cpus.filter((cpu) => !(cpus ?? released.cpus).includes(cpu));
    wishes.push({ name: give, cpus: [...taker.cpus, ...freed].sort((a, b) => a - b) });
  }
  if (flags.dryRun) {
    return printPlan(
      this,
      node.planChange((inventory, ledger) => decideResize(inventory, ledger, wishes, take)),
      flags.json,
    );
  }
  const specs = await node.change((inventory, ledger) => decideResize(inventory, ledger, wishes, take));
  if (flags.json) return this.json({ containers: specs });
  for (const spec of specs) {
    const who = spec.role === "service" ? "the ServiceOS" : `container ${spec.name}`;
    this.say(`nodeos: ${who} has CPUs ${formatCpuList(spec.cpus)} now`);
  }
}
