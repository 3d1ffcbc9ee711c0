import { processesOf } from "../../lib/container/processes.ts";
import type { ContainerSpec } from "../../lib/container/spec.ts";
import { formatCpuList } from "../../lib/kernel/cpulist.ts";
import { bytesOf, type OwnMemory } from "../../lib/memory/unit.ts";
import { formatBytes } from "../../lib/report/quantity.ts";
import { table } from "../../lib/report/table.ts";
import type { Context } from "../context.ts";
import type { PsFlags } from "./command.ts";

/** Lists the containers: what they have, and how many processes. */
export default async function ps(this: Context, flags: PsFlags): Promise<void> {
  const node = await this.node();
  const containers = node.ledger().holdings.map((holding) => {
    const spec = holding.spec as ContainerSpec;
    return {
      ...spec,
      createdAt: new Date(holding.createdAtMs).toISOString(),
      owner: holding.owner?.pid ?? null,
      processCount: processesOf(node.kernel, holding).length,
    };
  });
  if (flags.json) {
    return this.json({
      containers: containers.map(({ cpus, nodes, ...rest }) => ({ ...rest, cpus: formatCpuList(cpus), nodes: formatCpuList(nodes) })),
    });
  }
  const columns = [
    { title: "NAME" },
    { title: "CPUS" },
    { title: "MEMORY" },
    { title: "OWN MEMORY" },
    { title: "SCHEDULING" },
    { title: "PROCESSES", right: true },
    { title: "LIVES" },
  ];
  const rows = containers.map(({ name, cpus, memoryBytes, memory, scheduling, processCount, owner }) => [
    name,
    formatCpuList(cpus),
    memoryBytes === null ? "no limit" : formatBytes(memoryBytes),
    describeOwn(memory),
    scheduling.policy,
    `${processCount}`,
    owner === null ? "until down" : `with process ${owner}`,
  ]);
  if (rows.length === 0) this.say("There is no container; make one with nodeos up or nodeos run");
  else this.print(table(columns, rows));
}

/** Memory of its own; a limit is none. */
function describeOwn(memory: OwnMemory | undefined): string {
  const units = memory?.units.filter(({ backend }) => backend !== "limit") ?? [];
  if (units.length === 0) return "-";
  return `${formatBytes(bytesOf(units))} in ${units.length === 1 ? "1 unit" : `${units.length} units`}`;
}
