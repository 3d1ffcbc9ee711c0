import { formatCpuList, parseCpuList } from "../kernel/cpulist.ts";
import { findIrqbalances } from "../kernel/irqbalance.ts";
import type { Change } from "../plan/step.ts";
import { elsewhere, elsewhereMask } from "./elsewhere.ts";
import { leftInterrupts } from "./left_interrupts.ts";
import type { NodeFeature, Scene } from "./node_feature.ts";

/**
 * Interrupts of devices arrive elsewhere: those that exist, those of devices that come (the default mask), and those
 * that an irqbalance, when one runs, distributes; it is told to keep the container's CPUs free, and may move the others
 * among the rest as it does.
 *
 * The kernel says no to managed interrupts, whose device has a queue for each CPU, and to a few of its own. One that was
 * on the container's CPUs only goes to all others.
 *
 * Source: Documentation/core-api/irq/irq-affinity.rst, irqbalance(1). Cost: one write for each interrupt; it moves when it
 * next arrives. An irqbalance notices within its pause, ten seconds by default, and is waited for.
 */
export const irqs: NodeFeature = {
  name: "irqs",
  doc: "Interrupts of devices arrive on other CPUs, as far as the kernel lets them move",
  words: ["away", "stay"],
  reach: "cpus",
  // An irqbalance last: so that, when all is put back, it does not move again what was put back before.
  plan: (scene: Scene): Change[] => [...planDefault(scene), ...planIrqs(scene), ...planIrqbalance(scene)],
  left: leftInterrupts,
};

function planIrqbalance(scene: Scene): Change[] {
  return findIrqbalances(scene.inventory.tasks).flatMap(({ socket }): Change[] => {
    const thing = { kind: "irqbalance", what: socket } as const;
    const banned = scene.original(thing);
    if (banned === null) return [];
    const to = formatCpuList([...parseCpuList(banned), ...scene.cpus]);
    return to === banned ? [] : [{ ...thing, to, why: "irqbalance keeps these CPUs free", ifAllowed: true }];
  });
}

function planDefault(scene: Scene): Change[] {
  const thing = { kind: "file", what: "/proc/irq/default_smp_affinity" } as const;
  const mask = scene.original(thing);
  const to = mask === null ? null : elsewhereMask(scene, mask);
  return to === null ? [] : [{ ...thing, to, why: "interrupts of devices that come arrive elsewhere" }];
}

function planIrqs(scene: Scene): Change[] {
  return scene.inventory.irqs.irqs.flatMap(({ number, actions, allowedCpus }): Change[] => {
    if (allowedCpus === null) return [];
    const thing = { kind: "file", what: `/proc/irq/${number}/smp_affinity_list` } as const;
    const rest = elsewhere(scene, parseCpuList(scene.original(thing) ?? ""));
    const why = `interrupt ${number} (${actions.join(", ")}) arrives elsewhere`;
    return rest === null ? [] : [{ ...thing, to: formatCpuList(rest), why, ifAllowed: true }];
  });
}
