import { cgroupInode } from "../../ffi/frames.ts";
import { processesOf } from "../../lib/container/processes.ts";
import type { ContainerSpec } from "../../lib/container/spec.ts";
import { cgroupDirectory, hierarchyOf } from "../../lib/kernel/cgroup.ts";
import type { Inventory } from "../../lib/kernel/inventory.ts";
import type { AuditedContainer } from "../../lib/memory/audit/evidence.ts";
import type { Ledger } from "../../lib/plan/ledger.ts";

/** Containers with their processes, and the cgroup that their memory is charged to. */
export function auditedContainers(inventory: Inventory, { holdings }: Ledger): AuditedContainer[] {
  const hierarchy = hierarchyOf(inventory.cgroups, "memory");
  return holdings.map((holding) => ({
    name: holding.name,
    memory: (holding.spec as ContainerSpec).memory,
    pids: processesOf(inventory.files, holding),
    cgroup: hierarchy === null ? null : cgroupInode(cgroupDirectory(hierarchy, holding.name)),
  }));
}

/** What memory cgroups are called, by their inode number. */
export function cgroupNames({ cgroups, files }: Inventory): Map<number, string> {
  const names = new Map<number, string>();
  const hierarchy = hierarchyOf(cgroups, "memory");
  if (hierarchy === null) return names;
  const look = (path: string) => {
    const inode = cgroupInode(`${hierarchy.mount}${path}`);
    if (inode !== null) names.set(inode, path === "" ? "the root cgroup" : path);
    for (const { name, kind } of files.list(`${hierarchy.mount}${path}`)) if (kind === "directory") look(`${path}/${name}`);
  };
  look("");
  return names;
}
