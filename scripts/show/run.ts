import { forwardingDirectory } from "../../lib/container/forwarding_seat.ts";
import { processesOf } from "../../lib/container/processes.ts";
import type { ContainerSpec } from "../../lib/container/spec.ts";
import { formatCpuList } from "../../lib/kernel/cpulist.ts";
import { Inventory } from "../../lib/kernel/inventory.ts";
import { ownership } from "../../lib/memory/ownership.ts";
import { readUnitUses, type UnitUse } from "../../lib/memory/unit_use.ts";
import { describeUnit } from "../../lib/memory/unit.ts";
import { verify } from "../../lib/plan/executor.ts";
import { formatSteps } from "../../lib/plan/step.ts";
import { formatBytes } from "../../lib/report/quantity.ts";
import { table } from "../../lib/report/table.ts";
import { Board } from "../../lib/syscall/board.ts";
import { countTiers, type TierCount } from "../../lib/syscall/tiers.ts";
import type { Context } from "../context.ts";
import { countedCalls, latencyOf } from "../counted_calls.ts";
import type { ShowFlags } from "./command.ts";

/** Shows one container. */
export default async function show(this: Context, flags: ShowFlags, name: string): Promise<void> {
  const node = await this.node();
  const holding = node.find(name);
  const spec = holding.spec as ContainerSpec;
  const ledger = node.ledger();
  const drift = [...verify(node.kernel, holding.steps), ...(spec.quiet.length > 0 ? node.verifyNode() : [])];
  const left = node.left().filter(({ feature }) => spec.quiet.includes(feature));
  const processes = processesOf(node.kernel, holding).map((pid) => ({
    pid,
    command: (node.kernel.tryRead(`/proc/${pid}/comm`) ?? "?").trim(),
  }));
  const tiers = tiersOf(this, spec);
  const units = spec.memory === undefined ? [] : readUnitUses(new Inventory(node.kernel), name, spec.memory);
  if (flags.json) {
    return this.json({
      spec: { ...spec, cpus: formatCpuList(spec.cpus), nodes: formatCpuList(spec.nodes) },
      createdAt: new Date(holding.createdAtMs).toISOString(),
      owner: holding.owner,
      processes,
      syscalls: tiers,
      units: units.map(({ unit, ...rest }) => ({ id: unit.id, ...rest })),
      steps: holding.steps,
      nodeSteps: ledger.node?.steps ?? [],
      drift,
      left,
    });
  }
  this.print(table([{ title: `CONTAINER ${name}` }, { title: "" }], [
    ["CPUs", formatCpuList(spec.cpus)],
    ["NUMA nodes", formatCpuList(spec.nodes)],
    ["memory", spec.memoryBytes === null ? "no limit" : formatBytes(spec.memoryBytes)],
    ["threads", spec.pidsMax === null ? "no limit" : `at most ${spec.pidsMax}`],
    ["scheduling", describeScheduling(spec)],
    ["load balancing", spec.loadBalancing],
    ["swap", spec.swap],
    ["devices", spec.devices === null ? "all" : spec.devices.join(", ") || "the harmless ones"],
    ["cache", spec.cache === null ? "shared" : `L3 ${spec.cache.l3 ?? 100} %, bandwidth ${spec.cache.memoryBandwidth ?? 100} %`],
    ["system calls", describeSyscalls(spec)],
    ["whole node", spec.quiet.join(", ") || "nothing changed for it"],
    ["made", new Date(holding.createdAtMs).toISOString()],
    ["lives", holding.owner === null ? "until nodeos down" : `with process ${holding.owner.pid}`],
    ["processes", processes.length === 0 ? "none" : processes.map(({ pid, command }) => `${pid} ${command}`).join(", ")],
  ]));
  if (units.length > 0) this.print(`\nMEMORY OF ITS OWN (nodeos memory ${name} says more)\n${renderUnits(units).replaceAll(/^/gm, "  ")}`);
  if (tiers !== null && tiers.length > 0) this.print(`\nCALLS THAT REACHED THE SERVICEOS\n${renderTiers(tiers).replaceAll(/^/gm, "  ")}`);
  this.print("\nCHANGED");
  this.print(formatSteps(holding.steps).replaceAll(/^/gm, "  "));
  if (spec.quiet.length > 0) {
    this.print("\nCHANGED ON THE WHOLE NODE (for all containers that wish it)");
    this.print(formatSteps((ledger.node?.steps ?? []).filter(({ refused }) => !refused)).replaceAll(/^/gm, "  "));
  }
  if (left.length > 0) this.print("\nSTAYS ON THE CPUS OF CONTAINERS (whatever is done)");
  for (const { feature, lines } of left) for (const line of lines) this.print(`  ${feature}: ${line}`);
  if (drift.length > 0) this.print("\nDRIFTED (somebody else changed it since)");
  for (const { step, found } of drift) this.print(`  ${step.what} is ${found ?? "gone"}, and should be ${step.to}`);
}

function renderUnits(units: readonly UnitUse[]): string {
  const rows = units.map(({ unit, usedBytes }) => [unit.id, describeUnit(unit), formatBytes(usedBytes), ownership[unit.backend]]);
  return table([{ title: "UNIT" }, { title: "WHAT" }, { title: "IN USE", right: true }, { title: "OWNERSHIP" }], rows);
}

/** What its forwarder counted; `null` where there is none, or for whom it is not to be seen. */
function tiersOf({ stateDirectory }: Context, { name, syscalls }: ContainerSpec): TierCount[] | null {
  if (syscalls === undefined) return null;
  try {
    using board = new Board(`${forwardingDirectory(stateDirectory, name)}/board`, { readOnly: true });
    return countTiers(countedCalls(board));
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

function renderTiers(tiers: readonly TierCount[]): string {
  const titles = ["CALLS", "HANDED BACK", "FAILED", "P50", "P99"].map((title) => ({ title, right: true }));
  const rows = tiers.map((tier) => [
    tier.action,
    ...[tier.made, tier.returned, tier.failed].map(String),
    ...latencyOf(tier),
    tier.calls.slice(0, 3).join(", ") + (tier.calls.length > 3 ? `, and ${tier.calls.length - 3} more` : ""),
  ]);
  return table([{ title: "NOW" }, ...titles, { title: "MOST" }], rows);
}

function describeSyscalls({ name, syscalls }: ContainerSpec): string {
  if (syscalls === undefined) return "made by its programs themselves";
  const { profile, switches = [] } = syscalls;
  return `${[profile, ...switches].join(", ")}; all calls: nodeos syscalls ${name}`;
}

function describeScheduling({ scheduling }: ContainerSpec): string {
  switch (scheduling.policy) {
    case "fair":
      return "fair";
    case "cooperative":
      return `cooperative (SCHED_FIFO, one priority, throttle ${scheduling.throttle === "lift" ? "lifted" : "kept"})`;
    case "deadline":
      return `deadline, ${scheduling.runtimeNs} ns every ${scheduling.periodNs} ns`;
  }
}
