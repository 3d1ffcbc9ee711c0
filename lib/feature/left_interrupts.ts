import { formatCpuList } from "../kernel/cpulist.ts";
import type { EventCount, Irq } from "../kernel/irq.ts";
import { findIrqbalances } from "../kernel/irqbalance.ts";
import { within } from "./elsewhere.ts";
import type { Scene } from "./node_feature.ts";

/** Interrupts that arrive on the containers' CPUs all the same: by name and CPU, with counts and the reason. */
export function leftInterrupts(scene: Scene): string[] {
  return [...devices(scene), ...ofEachCpu(scene), ...irqbalance(scene)];
}

function devices(scene: Scene): string[] {
  return scene.inventory.irqs.irqs.flatMap((irq) => {
    const cpus = within(scene, irq.effectiveCpus ?? irq.allowedCpus ?? []);
    if (cpus.length === 0) return [];
    const where = `on CPUs ${formatCpuList(cpus)}, ${countOn(scene, irq, cpus)} so far`;
    return [`interrupt ${irq.number} (${irq.actions.join(", ")}) ${where}: ${reason(scene, irq)}`];
  });
}

function reason(scene: Scene, { allowedCpus }: Irq): string {
  if (within(scene, allowedCpus ?? []).length === 0) return "leaves when it next arrives";
  return "stays where the kernel manages it, for a queue of its device";
}

/** `LOC`, `RES`, `CAL`, ..., and numbered ones that the kernel has on every CPU. */
function ofEachCpu(scene: Scene): string[] {
  const { irqs, named } = scene.inventory.irqs;
  const own = irqs.filter(({ allowedCpus }) => allowedCpus === null).map((irq) => ({ ...irq, name: irq.actions.join(", ") }));
  const counted = [...own, ...named].map(({ name, ...row }) => ({ name, count: countOn(scene, row, scene.cpus) })).filter(({ count }) =>
    count > 0
  );
  if (counted.length === 0) return [];
  const names = counted.map(({ name, count }) => `${name} ${count}`).join(", ");
  return [`on CPUs ${formatCpuList(scene.cpus)} so far: ${names}: the kernel's own of every CPU, as its timer and calls between CPUs`];
}

function countOn({ inventory }: Scene, { counts }: EventCount, cpus: readonly number[]): number {
  return cpus.reduce((sum, cpu) => sum + (counts[inventory.irqs.cpus.indexOf(cpu)] ?? 0), 0);
}

function irqbalance(scene: Scene): string[] {
  return findIrqbalances(scene.inventory.tasks).filter(({ socket }) => scene.original({ kind: "irqbalance", what: socket }) === null).map((
    { pid },
  ) =>
    `irqbalance (process ${pid}) does not talk to us and may move interrupts back: give it IRQBALANCE_BANNED_CPULIST=${
      formatCpuList(scene.cpus)
    } and start it again`
  );
}
