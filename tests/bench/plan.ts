import { emptyLedger } from "../../lib/plan/ledger.ts";
import { planRequest } from "../../lib/container/node.ts";
import { machine } from "../machines/machine.ts";
import { type Group, inTurns } from "./measure.ts";

/** Plans 16 containers on a captured machine of 256 CPUs and 8 nodes. There is no rival: no other tool plans. */
export function benchPlan(): Group[] {
  const files = machine("big-256");
  const containers = Array.from({ length: 16 }, (_, index) => ({ name: `c${index}`, cpuCount: 15, memoryBytes: 2 ** 30 }));
  const series = inTurns({
    "nodeos plan, 16 containers": () => {
      const from = performance.now();
      planRequest(files, emptyLedger("bench"), { containers });
      return (performance.now() - from) * 1e6;
    },
  }, 20);
  return [{ title: "Plan 16 containers on 256 CPUs and 8 NUMA nodes (inventory, choice of CPUs, steps)", series, notes: [] }];
}
