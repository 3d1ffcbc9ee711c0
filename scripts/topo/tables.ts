import { formatCpuList } from "../../lib/kernel/cpulist.ts";
import type { Device } from "../../lib/kernel/device.ts";
import type { Irqs } from "../../lib/kernel/irq.ts";
import { table } from "../../lib/report/table.ts";

/** Devices as text. */
export function deviceTable(devices: readonly Device[]): string {
  if (devices.length === 0) return "no devices that nodeos knows";
  const columns = [
    { title: "DEVICE" },
    { title: "NAME" },
    { title: "NODE", right: true },
    { title: "NEAR CPUS" },
    { title: "DRIVER" },
    { title: "PCI" },
  ];
  return table(
    columns,
    devices.map(({ kind, name, node, localCpus, driver, pciAddress }) => [
      kind,
      name,
      node === null ? "-" : `${node}`,
      formatCpuList(localCpus) || "-",
      driver ?? "-",
      pciAddress ?? "-",
    ]),
  );
}

/** Interrupts as text: those of devices, then those without a number and deferred work that ever happened. */
export function irqTables({ irqs, named, softirqs }: Irqs): string[] {
  const list = (cpus: readonly number[] | null) => cpus === null ? "?" : formatCpuList(cpus) || "-";
  const devices = table(
    [{ title: "IRQ", right: true }, { title: "COUNT", right: true }, { title: "MAY GO TO" }, { title: "GOES TO" }, { title: "HANDLERS" }],
    irqs.map(({ number, total, allowedCpus, effectiveCpus, actions }) => [
      `${number}`,
      `${total}`,
      list(allowedCpus),
      list(effectiveCpus),
      actions.join(", ") || "-",
    ]),
  );
  const happened = [...named, ...softirqs.map((softirq) => ({ ...softirq, description: "deferred work" }))].filter(({ total }) =>
    total > 0
  );
  const others = table(
    [{ title: "NAME" }, { title: "COUNT", right: true }, { title: "WHAT" }],
    happened.map(({ name, total, description }) => [name, `${total}`, description || "-"]),
  );
  return [devices, others];
}
