import { Inventory } from "../../../lib/kernel/inventory.ts";
import { type Change, formatStep } from "../../../lib/plan/step.ts";
import { captured, type CapturedFiles } from "../../captured.ts";
import type { Site } from "../../../lib/plan/seat.ts";

/** Plans for container `sim` on CPUs 2-3 and NUMA node 1 of a machine, and returns the changes as lines without reasons. */
export function planned(files: CapturedFiles, plan: (site: Site) => Change[], site: Partial<Site> = {}): string[] {
  using machine = captured(files);
  const changes = plan({ inventory: new Inventory(machine), name: "sim", role: "compute", cpus: [2, 3], nodes: [1], ...site });
  return changes.map((change) => formatStep({ ...change, why: "" }).trimEnd() + (change.shared ? " (shared)" : ""));
}
