import { NoSuchObjectError } from "../../lib/errors.ts";
import { observeAllRegions, type ObservedRegion, observeRegions, processName } from "../../lib/paging/observed.ts";
import { formatBytes } from "../../lib/report/quantity.ts";
import { table } from "../../lib/report/table.ts";
import type { Context } from "../context.ts";
import type { StatFlags } from "./command.ts";
import { regionsOf } from "./regions.ts";

const smallBytes = 4096;

/** Shows regions of a process, or of all. */
export default async function stat(this: Context, { json }: StatFlags, pid?: number): Promise<void> {
  const kernel = await this.kernel();
  const regions = pid === undefined ? observeAllRegions(kernel) : regionsOf(observeRegions(kernel, pid), pid);
  const named = regions.map((region) => ({ ...region, process: processName(kernel, region.pid) }));
  if (json) return this.json({ regions: named.map(({ address, ...region }) => ({ ...region, address: `0x${address.toString(16)}` })) });
  if (named.length === 0) throw new NoSuchObjectError("Cannot show regions: no process that this user may look into has any");
  this.print(table(
    [
      { title: "PID", right: true },
      { title: "PROCESS" },
      { title: "REGION", right: true },
      { title: "STORE" },
      { title: "MODE" },
      { title: "SIZE", right: true },
      { title: "RESIDENT", right: true },
      { title: "DIRTY", right: true },
      { title: "PINNED", right: true },
      { title: "LIMIT", right: true },
      { title: "FAULTS", right: true },
      { title: "READ", right: true },
      { title: "WRITTEN", right: true },
      { title: "EVICTED", right: true },
      { title: "ERRORS", right: true },
    ],
    named.map(row),
  ));
}

function row({ pid, process, id, name, mode, bytes, limitBytes, isWritable, statistics }: ObservedRegion & { process: string }): string[] {
  const size = (pages: number) => formatBytes(pages * smallBytes);
  return [
    String(pid),
    process,
    String(id),
    `${name || "-"}${isWritable ? "" : " (read only)"}`,
    mode,
    formatBytes(bytes),
    size(statistics.residentPages),
    size(statistics.dirtyPages),
    size(statistics.pinnedPages),
    formatBytes(limitBytes),
    ...[statistics.faults, statistics.readPages, statistics.writtenPages, statistics.evictedPages, statistics.errors].map(String),
  ];
}
