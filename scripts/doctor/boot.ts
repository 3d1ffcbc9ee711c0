import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { resolve } from "../../lib/container/resolve.ts";
import type { LocatedRequest } from "../../lib/container/spec_file.ts";
import { type BootArgument, type BootPlan, planBoot } from "../../lib/kernel/boot_arguments.ts";
import { formatCpuList } from "../../lib/kernel/cpulist.ts";
import { Inventory } from "../../lib/kernel/inventory.ts";
import { memoryRows } from "../../lib/memory/boot.ts";
import { emptyLedger } from "../../lib/plan/ledger.ts";
import { table } from "../../lib/report/table.ts";
import type { Style } from "./render.ts";

/** What a specification wants of the kernel at boot. */
export interface BootAdvice extends BootPlan {
  /** The containers and their CPUs. */
  readonly containers: readonly { readonly name: string; readonly cpus: readonly number[]; readonly isChosen: boolean }[];
  /** CPUs of all containers, ascending. */
  readonly cpus: readonly number[];
  /** CPUs that remain with the ServiceOS, ascending. */
  readonly serviceCpus: readonly number[];
}

/** A machine right after it was booted: nobody has any CPUs yet. */
class BootedInventory extends Inventory {
  override get topCpusets(): [] {
    return [];
  }
}

/**
 * Decides the CPUs of a specification as if the machine had just been booted, and plans the arguments for them.
 *
 * @throws {SpecError} If this machine cannot give the specification what it asks for.
 */
export function adviseBoot(files: KernelFiles, { request }: LocatedRequest): BootAdvice {
  const inventory = new BootedInventory(files);
  // Memory of the machine that is to be: this one may have no place for it yet.
  const asked = { ...request, containers: request.containers.map(({ memory: _, ...container }) => container) };
  const units = request.containers.flatMap(({ memory }) => memory?.units ?? []);
  const specs = resolve(inventory, emptyLedger("boot"), asked).filter(({ role }) => role === "compute");
  const containers = specs.map(({ name, cpus }, index) => ({ name, cpus, isChosen: request.containers[index].cpus === undefined }));
  const cpus = containers.flatMap(({ cpus }) => cpus).sort((a, b) => a - b);
  const serviceCpus = inventory.onlineCpus.filter((cpu) => !cpus.includes(cpu));
  return { containers, cpus, serviceCpus, ...planBoot(inventory, cpus, serviceCpus, memoryRows(units)) };
}

/** Lays out arguments, what they cost and what there is instead, and last the line to paste. */
export function renderBoot(advice: BootAdvice, { colour, quiet }: Style): string {
  const paint = (text: string, code: string) => colour ? `\x1b[${code}m${text}\x1b[0m` : text;
  const shown = advice.arguments.filter(({ status }) => !quiet || status !== "active");
  const output = [whose(advice), ""];
  const rows = shown.map(({ argument, now, buys }) => [argument, now, buys]);
  const [head, ...lines] = table([{ title: "ARGUMENT" }, { title: "NOW" }, { title: "BUYS" }], rows).split("\n");
  if (shown.length > 0) output.push(head);
  shown.forEach(({ optional }, index) => {
    if (optional && !shown[index - 1]?.optional) output.push("", paint("A choice, not part of the line below", "1"));
    output.push(lines[index]);
  });
  for (const argument of shown) if (argument.status !== "active") output.push("", ...details(argument, paint));
  if (advice.untouched.length > 0) output.push("", `Also there, and left as it is: ${advice.untouched.join(" ")}`);
  output.push("", ...lineToPaste(advice));
  return output.join("\n");
}

function whose({ containers, serviceCpus }: BootAdvice): string {
  const names = containers.map(({ name, cpus }) => `${name} on CPUs ${formatCpuList(cpus)}`).join(", ");
  const chosen = containers.filter(({ isChosen }) => isChosen).map(({ name }) => name);
  const hint = `\nThe CPUs of ${chosen.join(", ")} are chosen here: write them into the specification (cpus), so that they stay the same.`;
  return `For ${names}; the ServiceOS keeps CPUs ${formatCpuList(serviceCpus)}.${chosen.length > 0 ? hint : ""}`;
}

function details({ argument, status, costs, without, now }: BootArgument, paint: (text: string, code: string) => string): string[] {
  const head = `${paint(argument, "1")}`;
  if (status === "unsupported") return [`${head}: ${now}, and would ignore it`, `  without it: ${without}`];
  return [head, `  costs: ${costs}`, `  without it: ${without}`];
}

function lineToPaste({ append, remove }: BootAdvice): string[] {
  if (append === "") return ["Nothing is missing from the kernel's command line."];
  return [
    ...remove.length > 0 ? [`First take these out of the kernel's command line: ${remove.join(" ")}`] : [],
    "Paste this below the others in /etc/default/grub, run update-grub (or grub2-mkconfig -o /boot/grub2/grub.cfg), and boot;",
    "nodeos never edits what the machine boots with:",
    "",
    `GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX ${append}"`,
  ];
}
