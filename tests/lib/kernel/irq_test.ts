import assert from "node:assert/strict";
import { diffIrqs, type Irqs, readIrqs } from "../../../lib/kernel/irq.ts";
import { live } from "../../machines/live.ts";
import { machine } from "../../machines/machine.ts";
import { MemoryRoot } from "../../machines/memory_root.ts";

const interrupts = (...lines: string[]) => new MemoryRoot({ "/proc/interrupts": lines.join("\n") });

Deno.test("readIrqs() reads number, handlers, controller and where it goes", () => {
  const { cpus, irqs } = readIrqs(machine("vm-cgroup1"));
  assert.deepEqual(cpus, [0, 1]);
  const { counts, total, ...disk } = irqs.find(({ actions }) => actions.includes("virtio1-req.0"))!;
  assert.deepEqual(disk, {
    number: 36,
    actions: ["virtio1-req.0"],
    chip: "PCI-MSIX-0000:00:02.0",
    allowedCpus: [0, 1],
    effectiveCpus: [1],
    node: 0,
  });
  assert.equal(counts[0], 0);
  assert.ok(total === counts[1] && total > 0);
});

Deno.test("readIrqs() reads named interrupts in the kernel's order, and ERR and MIS as one count each", () => {
  const { named } = readIrqs(machine("vm-cgroup1"));
  const timer = named.find(({ name }) => name === "LOC")!;
  assert.equal(timer.description, "Local timer interrupts");
  assert.equal(timer.total, timer.counts[0] + timer.counts[1]);
  assert.deepEqual(named.find(({ name }) => name === "ERR"), { name: "ERR", description: "", counts: [], total: 0 });
  assert.deepEqual(named.slice(0, 2).map(({ name }) => name), ["NMI", "LOC"]);
});

Deno.test("readIrqs() takes columns for the CPUs that the header names, not for 0 to n", () => {
  const { cpus, irqs, named, softirqs } = readIrqs(machine("holes"));
  assert.deepEqual(cpus, [0, 1, 2, 3, 6, 8, 9, 12]);
  assert.deepEqual(irqs.map(({ number, counts, effectiveCpus }) => ({ number, counts, effectiveCpus })), [
    { number: 24, counts: [120, 0, 0, 0, 0, 0, 0, 0], effectiveCpus: [0] },
    { number: 25, counts: [0, 0, 0, 0, 0, 0, 0, 77], effectiveCpus: [12] },
  ]);
  assert.equal(named.find(({ name }) => name === "LOC")?.counts[7], 1007);
  // /proc/softirqs has all 16 possible CPUs; column n counts n.
  assert.deepEqual(softirqs.find(({ name }) => name === "RCU")?.counts, [0, 1, 2, 3, 6, 8, 9, 12]);
  assert.equal(softirqs.find(({ name }) => name === "RCU")?.total, 41);
});

Deno.test("readIrqs() reads 256 columns", () => {
  const { cpus, irqs, named } = readIrqs(machine("big-256"));
  assert.equal(cpus.length, 256);
  assert.deepEqual([irqs[1].counts[255], irqs[1].total, irqs[1].node], [77, 77, null]);
  assert.equal(named.find(({ name }) => name === "RES")?.total, 5 * 256);
});

for (
  const [line, chip, actions] of [
    [" 24: 1 0 IO-APIC   5-edge      ACPI:Ged", "IO-APIC", ["ACPI:Ged"]],
    [" 24: 1 0 IR-PCI-MSI 524288-edge      nvme0q0", "IR-PCI-MSI", ["nvme0q0"]],
    [" 24: 1 0 IO-APIC   16-fasteoi   ehci_hcd:usb1, i801_smbus", "IO-APIC", ["ehci_hcd:usb1", "i801_smbus"]],
    [" 24: 1 0     GICv3  27 Level     arch_timer", "GICv3", ["arch_timer"]],
    [" 24: 1 0     GICv3 120 Edge      ARM PMU", "GICv3", ["ARM PMU"]],
    [" 24: 1 0  ITS-MSI 1048576 Edge      hns3-0000:7d:00.0-TxRx-0", "ITS-MSI", ["hns3-0000:7d:00.0-TxRx-0"]],
    [" 24: 1 0 PCI-MSIX-0000:00:02.0   1-edge      virtio1-req.0", "PCI-MSIX-0000:00:02.0", ["virtio1-req.0"]],
    [" 24: 1 0 IO-APIC   5-edge", "IO-APIC", []],
    [" 24: 1 0", null, []],
  ] as const
) {
  Deno.test(`readIrqs() understands ${JSON.stringify(line.slice(9).trim())} without the help of sysfs`, () => {
    const [irq] = readIrqs(interrupts("           CPU0       CPU1", line)).irqs;
    assert.deepEqual([irq.number, irq.chip, irq.actions, irq.counts, irq.total], [24, chip, actions, [1, 0], 1]);
    assert.deepEqual([irq.allowedCpus, irq.effectiveCpus, irq.node], [null, null, null]);
  });
}

Deno.test("readIrqs() reads Arm's names, and the words of a machine with one CPU", () => {
  const { named } = readIrqs(interrupts("           CPU0", "IPI0:        12       Rescheduling interrupts", "Err:          3"));
  assert.deepEqual(named, [
    { name: "IPI0", description: "Rescheduling interrupts", counts: [12], total: 12 },
    { name: "Err", description: "", counts: [], total: 3 },
  ]);
});

Deno.test("readIrqs() of a machine that hides them is empty", () => {
  assert.deepEqual(readIrqs(new MemoryRoot({})), { cpus: [], irqs: [], named: [], softirqs: [] });
  assert.deepEqual(readIrqs(interrupts("rubbish")).irqs, []);
});

const reading = (text: string): Irqs => readIrqs(interrupts(...text.split("|")));

Deno.test("diffIrqs() counts what happened between two readings", () => {
  const before = reading("  CPU0 CPU1|24: 10 5 X 1-edge a|LOC: 100 200 Local timer interrupts|ERR: 1");
  const after = reading("  CPU0 CPU1|24: 12 5 X 1-edge a|25: 4 0 X 2-edge b|LOC: 150 201 Local timer interrupts|ERR: 3");
  const { irqs, named } = diffIrqs(before, after);
  assert.deepEqual(irqs.map(({ number, counts, total }) => [number, counts, total]), [[24, [2, 0], 2], [25, [4, 0], 4]]);
  assert.deepEqual(named.map(({ name, counts, total }) => [name, counts, total]), [["LOC", [50, 1], 51], ["ERR", [], 2]]);
});

Deno.test("diffIrqs() compares CPU with CPU when one came or went, and starts at 0 when a counter went back", () => {
  const before = reading("  CPU0 CPU1 CPU2|24: 10 20 30 X 1-edge a");
  const after = reading("  CPU0 CPU2 CPU3|24: 3 31 7 X 1-edge a");
  assert.deepEqual(diffIrqs(before, after).irqs[0].counts, [3, 1, 7]);
});

Deno.test("diffIrqs() of a reading with itself is all zero", () => {
  const reading = readIrqs(live);
  const { irqs, named, softirqs } = diffIrqs(reading, reading);
  for (const { counts, total } of [...irqs, ...named, ...softirqs]) assert.deepEqual([total, ...counts].filter(Boolean), []);
});
