import assert from "node:assert/strict";
import { KernelRoot } from "../../../ffi/kernel_root.ts";
import { irqs } from "../../../lib/feature/irqs.ts";
import { drivers } from "../../../lib/plan/driver.ts";
import { v2 } from "../../small_machines.ts";
import { changesOf, leftOf, linesOf } from "./scene.ts";
import { threadFiles } from "./threads.ts";

/** Interrupts of devices: number, name, CPUs they may go to and do go to. */
function machine(...devices: readonly (readonly [number, string, string | null, string | null])[]) {
  const cpus = [0, 1, 2, 3, 4, 5, 6, 7];
  const row = (name: string, words: string) => `${name}: ${cpus.map((cpu) => cpu * 10).join(" ")} ${words}\n`;
  const interrupts = `${cpus.map((cpu) => `CPU${cpu}`).join(" ")}\n` +
    devices.map(([number, name]) => row(`${number}`, `IO-APIC ${number}-edge ${name}`)).join("") +
    row("LOC", "Local timer interrupts") + row("RES", "Rescheduling interrupts") +
    `NMI: ${"0 ".repeat(8)} Non-maskable interrupts\n`;
  const files: Record<string, string> = { ...v2, "/proc/interrupts": interrupts, "/proc/irq/default_smp_affinity": "ff\n" };
  for (const [number, , allowed, effective] of devices) {
    if (allowed !== null) files[`/proc/irq/${number}/smp_affinity_list`] = `${allowed}\n`;
    if (effective !== null) files[`/proc/irq/${number}/effective_affinity_list`] = `${effective}\n`;
  }
  return files;
}

const irqbalance = threadFiles([{ tid: 300, name: "irqbalance", cpus: "0-7", sort: "program" }]);
const socket = "/run/irqbalance/irqbalance300.sock";

// The library, registered at its first use, stays loaded: within a test that would count as a leak.
drivers.irqbalance.read(new KernelRoot(), socket);

Deno.test("irqs moves each interrupt that may arrive on the CPUs, and the default for those that come", () => {
  assert.deepEqual(
    linesOf(irqs, machine([4, "disk", "0-7", "3"], [5, "nic", "2-3", "2"], [6, "usb", "0-1", "0"], [7, "odd", "3-4", "4"])),
    [
      "/proc/irq/default_smp_affinity <- f3",
      "/proc/irq/4/smp_affinity_list <- 0-1,4-7",
      "/proc/irq/5/smp_affinity_list <- 0-1,4-7",
      "/proc/irq/7/smp_affinity_list <- 4",
    ],
  );
});

Deno.test("irqs lets the kernel refuse an interrupt, and not the default", () => {
  assert.deepEqual(changesOf(irqs, machine([4, "disk", "0-7", "3"])).map(({ ifAllowed }) => ifAllowed ?? false), [false, true]);
});

Deno.test("irqs goes by the values from before us", () => {
  const originals = { "/proc/irq/default_smp_affinity": "0f", "/proc/irq/4/smp_affinity_list": "1-3" };
  assert.deepEqual(linesOf(irqs, machine([4, "disk", "0", "0"]), { originals }), [
    "/proc/irq/default_smp_affinity <- 03",
    "/proc/irq/4/smp_affinity_list <- 1",
  ]);
});

Deno.test("irqs has nothing to do with an interrupt of every CPU, or on a machine without any", () => {
  assert.deepEqual(linesOf(irqs, machine([27, "arch_timer", null, null])), ["/proc/irq/default_smp_affinity <- f3"]);
  assert.deepEqual(linesOf(irqs, v2), []);
});

Deno.test("irqs tells an irqbalance last, and keeps what it had banned", () => {
  const files = { ...machine(), ...irqbalance };
  assert.deepEqual(linesOf(irqs, files, { originals: { [socket]: "" } }).at(-1), `irqbalance: ${socket} <- 2-3`);
  assert.deepEqual(linesOf(irqs, files, { originals: { [socket]: "0,3,8" } }).at(-1), `irqbalance: ${socket} <- 0,2-3,8`);
  assert.deepEqual(linesOf(irqs, files, { originals: { [socket]: "0-3" } }), ["/proc/irq/default_smp_affinity <- f3"]);
});

Deno.test("irqs does without an irqbalance that does not talk to us, and says what it may do", () => {
  const files = { ...machine(), ...irqbalance };
  assert.deepEqual(linesOf(irqs, files), ["/proc/irq/default_smp_affinity <- f3"]);
  assert.deepEqual(
    leftOf(irqs, files).at(-1),
    "irqbalance (process 300) does not talk to us and may move interrupts back: " +
      "give it IRQBALANCE_BANNED_CPULIST=2-3 and start it again",
  );
  assert.ok(!leftOf(irqs, files, { originals: { [socket]: "" } }).some((line) => line.includes("irqbalance")));
});

Deno.test("irqs takes no thread of the kernel for an irqbalance", () => {
  const named = threadFiles([{ tid: 300, name: "irqbalance", cpus: "0-7", sort: "free" }]);
  assert.ok(!leftOf(irqs, { ...machine(), ...named }).some((line) => line.includes("irqbalance")));
});

Deno.test("irqs names what arrives on the CPUs all the same, with counts", () => {
  assert.deepEqual(
    leftOf(irqs, machine([4, "disk-q2", "2", "2"], [5, "nic", "0-1", "3"], [6, "usb", "0-7", "0"], [27, "arch_timer", null, null])),
    [
      "interrupt 4 (disk-q2) on CPUs 2, 20 so far: stays where the kernel manages it, for a queue of its device",
      "interrupt 5 (nic) on CPUs 3, 30 so far: leaves when it next arrives",
      "on CPUs 2-3 so far: arch_timer 50, LOC 50, RES 50: the kernel's own of every CPU, as its timer and calls between CPUs",
    ],
  );
});
