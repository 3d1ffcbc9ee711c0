import { formatCpuList } from "../lib/kernel/cpulist.ts";
import { formatSteps } from "../lib/plan/step.ts";
import type { ContainerPlan } from "../lib/container/planning.ts";
import type { SyscallRequest } from "../lib/container/syscall_wish.ts";
import type { Context } from "./context.ts";

/** Prints what would be changed, container by container. */
export function printPlan(context: Context, plans: readonly ContainerPlan[], json: boolean): void {
  if (json) return context.json({ containers: plans.map(({ spec, steps }) => ({ spec, steps })) });
  for (const { spec, steps } of plans) {
    const pending = steps.filter(({ from, to }) => from !== to);
    context.print(`# ${title(spec)}`);
    context.print(formatSteps(pending));
    if (spec?.syscalls !== undefined) context.print(callsLine(spec.syscalls));
  }
}

/** No step: it goes with each program from its start to its end, and leaves nothing on the machine. */
function callsLine({ profile, switches = [] }: SyscallRequest): string {
  const wish = [profile, ...switches].join(",");
  return `system calls of each program <- ${wish}   nodeos syscalls --profile ${wish} says which goes where`;
}

function title(spec: ContainerPlan["spec"]): string {
  if (spec === null) return "the whole node";
  return `${spec.role === "service" ? "ServiceOS" : `container ${spec.name}`} on CPUs ${formatCpuList(spec.cpus)}`;
}
