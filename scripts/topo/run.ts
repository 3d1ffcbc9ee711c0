import { CapturedRoot } from "../../ffi/captured_root.ts";
import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { NoSuchObjectError, RefusedError, UsageError } from "../../lib/errors.ts";
import { capture } from "../../lib/kernel/capture.ts";
import { readDevices } from "../../lib/kernel/device.ts";
import { readIrqs } from "../../lib/kernel/irq.ts";
import { readTopology } from "../../lib/kernel/topology.ts";
import { formatBytes } from "../../lib/report/quantity.ts";
import { specsOf } from "../../lib/container/ledger_specs.ts";
import type { Context } from "../context.ts";
import type { TopoFlags } from "./command.ts";
import { deviceTable, irqTables } from "./tables.ts";

/** Who has which CPU, by CPU: the ServiceOS is `service`, containers have their names, a CPU that is not in it is free. */
export async function ownersOf(context: Context): Promise<Map<number, string>> {
  const node = await context.node();
  return new Map(specsOf(node.ledger()).flatMap(({ name, cpus }) => cpus.map((cpu) => [cpu, name] as const)));
}

/** Shows or captures a machine. */
export default async function topo(this: Context, flags: TopoFlags): Promise<void> {
  if (flags.svg === "-" && (flags.json || flags.devices || flags.irqs)) {
    throw new UsageError("Cannot write a picture and something else to standard output", { remedy: "Name a file: --svg FILE" });
  }
  if (flags.capture !== undefined && (flags.svg !== undefined || flags.devices || flags.irqs)) {
    throw new UsageError("Cannot capture and show at once", { remedy: "Capture first, then show it with --input" });
  }
  const files = flags.input === undefined ? await this.kernel() : openCapture(flags.input);
  if (flags.capture !== undefined) return await captureInto(this, files, flags.capture, flags.json);

  const topology = readTopology(files);
  const owners = flags.input === undefined ? await ownersOf(this) : new Map<number, string>();
  if (flags.svg !== undefined) {
    const { topologySvg } = await import("../../lib/report/topology_svg.ts");
    const picture = topologySvg(topology, owners, { title: `CPUs of ${nameOf(files, flags.input)}` });
    if (flags.svg === "-") return this.print(picture.trimEnd());
    await writing(flags.svg, "the picture", () => Deno.writeTextFile(flags.svg!, picture));
    this.say(`Wrote the picture to ${flags.svg}`);
  }
  const devices = flags.devices ? readDevices(files) : undefined;
  const irqs = flags.irqs ? readIrqs(files) : undefined;
  if (flags.json) return this.json({ topology, owners: byOwner(owners), devices, irqs });

  const parts: string[] = [];
  if (flags.svg === undefined) {
    const { topologyText } = await import("../../lib/report/topology_text.ts");
    parts.push(topologyText(topology, owners));
  }
  if (devices) parts.push(deviceTable(devices));
  if (irqs) parts.push(...irqTables(irqs));
  if (parts.length > 0) this.print(parts.join("\n\n"));
}

/** Opens a captured machine; what every capture has tells a wrong directory at once. */
function openCapture(directory: string): KernelFiles {
  const files = new CapturedRoot(directory.replace(/(?<=.)\/+$/, ""));
  if (files.exists("/sys/devices/system/cpu/online") || files.exists("/proc/cpuinfo")) return files;
  throw new NoSuchObjectError(`Cannot show the machine in ${directory}: there is no ${files.base}/sys/devices/system/cpu/online`, {
    remedy: "Name a directory that nodeos topo --capture wrote",
  });
}

async function captureInto(context: Context, files: KernelFiles, directory: string, json: boolean): Promise<void> {
  const report = await writing(directory, "the machine", () => capture(files, directory.replace(/(?<=.)\/+$/, "")));
  if (json) return context.json({ capture: report });
  context.say(`Wrote ${report.fileCount} files and ${report.linkCount} links, ${formatBytes(report.contentBytes)}, to ${directory}`);
  for (const { path, why } of report.refusals) context.say(`  left out ${path}: ${why}`);
}

/** Runs what writes files of the user, and says for people what the file system or Deno refused. */
async function writing<T>(path: string, what: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) {
      const remedy = what === "the picture"
        ? "Write to standard output instead: --svg - > FILE"
        : "Name a directory that nodeos may write to, such as one below the checkout";
      throw new RefusedError(`Cannot write ${what} to ${path}: this command has no permission to write there`, { cause: error, remedy });
    }
    if (!(error instanceof Error) || !("code" in error)) throw error;
    throw new RefusedError(`Cannot write ${what} to ${path}: ${error.code}`, {
      cause: error,
      remedy: "Name a place that exists and may be written",
    });
  }
}

function nameOf(files: KernelFiles, input: string | undefined): string {
  return input?.split("/").findLast(Boolean) ?? (files.tryRead("/proc/sys/kernel/hostname")?.trim() || "this machine");
}

function byOwner(owners: ReadonlyMap<number, string>): { owner: string; cpus: number[] }[] {
  return [...Map.groupBy(owners, ([, owner]) => owner)].map(([owner, pairs]) => ({ owner, cpus: pairs.map(([cpu]) => cpu) }));
}
