import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { readCpuList, readNumber, readText } from "./value.ts";

/** How often something happened, by CPU and in all. */
export interface EventCount {
  /** In the order of `Irqs.cpus`; `[]` where the kernel counts for the whole machine only. */
  readonly counts: readonly number[];
  /** On all CPUs that run. */
  readonly total: number;
}

/** A device interrupt. */
export interface Irq extends EventCount {
  /** The kernel's number. */
  readonly number: number;
  /** The handlers behind it, by name; several when the line is shared. */
  readonly actions: readonly string[];
  /** Interrupt controller, or `null`. */
  readonly chip: string | null;
  /** CPUs it may go to, ascending; `null` when the kernel does not say. */
  readonly allowedCpus: readonly number[] | null;
  /** CPUs it does go to, ascending; follows `allowedCpus` only when the next one arrives. */
  readonly effectiveCpus: readonly number[] | null;
  /** Memory node of its device, or `null`. */
  readonly node: number | null;
}

/** Interrupts without a number (`LOC`, `RES`, `CAL`, ...), and deferred work (`TIMER`, `RCU`, ...). */
export interface NamedCount extends EventCount {
  /** The kernel's short name. */
  readonly name: string;
  /** The kernel's words for it; `""` for deferred work. */
  readonly description: string;
}

/** What interrupts the CPUs of a machine, counted since boot or, from `diffIrqs`, between two readings. */
export interface Irqs {
  /** The CPUs that counts are for: those that run. */
  readonly cpus: readonly number[];
  /** Device interrupts that have a handler, ascending by number. */
  readonly irqs: readonly Irq[];
  /** Interrupts between CPUs, timers and errors, in the kernel's order. */
  readonly named: readonly NamedCount[];
  /** Deferred work, in the kernel's order. */
  readonly softirqs: readonly NamedCount[];
}

interface Row extends EventCount {
  readonly name: string;
  readonly rest: string;
}

/** Reads all interrupts. Each count is right when it is read, but they are not read at the same moment. */
export function readIrqs(files: KernelFiles): Irqs {
  const { cpus, rows } = parseCounts(readText(files, "/proc/interrupts") ?? "");
  const soft = parseCounts(readText(files, "/proc/softirqs") ?? "");
  const columns = cpus.map((cpu) => soft.cpus.indexOf(cpu));
  return {
    cpus,
    irqs: rows.filter(isNumbered).map((row) => describe(files, row)),
    // ERR and MIS have no words, and one count for the whole machine.
    named: rows.filter((row) => !isNumbered(row)).map((row) => named(row, row.rest === "" ? [] : row.counts)),
    // Softirqs have a column for every possible CPU.
    softirqs: soft.rows.map((row) => named(row, columns.map((column) => row.counts[column] ?? 0))),
  };
}

/**
 * What happened between two readings: counts of `after` less those of `before`, everything else as in `after`.
 *
 * A CPU or an interrupt that is new counts from 0, and so does one whose counter went back (its device was reset).
 */
export function diffIrqs(before: Irqs, after: Irqs): Irqs {
  const columns = after.cpus.map((cpu) => before.cpus.indexOf(cpu));
  const subtract = <T extends EventCount>(now: T, then: EventCount | undefined): T => {
    const counts = now.counts.map((count, index) => rise(count, then?.counts[columns[index]] ?? 0));
    const total = counts.length > 0 ? sum(counts) : rise(now.total, then?.total ?? 0);
    return { ...now, counts, total };
  };
  const byName = (then: readonly NamedCount[]) => (now: NamedCount) => subtract(now, then.find(({ name }) => name === now.name));
  return {
    cpus: after.cpus,
    irqs: after.irqs.map((irq) => subtract(irq, before.irqs.find(({ number }) => number === irq.number))),
    named: after.named.map(byName(before.named)),
    softirqs: after.softirqs.map(byName(before.softirqs)),
  };
}

function rise(now: number, then: number): number {
  return now >= then ? now - then : now;
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

function isNumbered(row: Row): boolean {
  return /^\d+$/.test(row.name);
}

function named(row: Row, counts: readonly number[]): NamedCount {
  return { name: row.name, description: row.rest, counts, total: counts.length > 0 ? sum(counts) : row.total };
}

function describe(files: KernelFiles, { name, rest, counts, total }: Row): Irq {
  const settings = `/proc/irq/${name}`;
  const node = readNumber(files, `${settings}/node`);
  // "IO-APIC   5-edge      ACPI:Ged", "GICv3  27 Level     arch_timer": controller, its line, trigger, handlers.
  const words = /^(\S+)(?:\s+\d+(?:[- ]?(?:edge|level|fasteoi|none))?)?(?:\s+(.*))?$/i.exec(rest);
  const chip = readText(files, `/sys/kernel/irq/${name}/chip_name`) || words?.[1];
  const actions = readText(files, `/sys/kernel/irq/${name}/actions`) ?? words?.[2] ?? "";
  return {
    number: Number(name),
    actions: actions.split(",").map((action) => action.trim()).filter((action) => action !== ""),
    chip: chip || null,
    allowedCpus: readCpuList(files, `${settings}/smp_affinity_list`),
    effectiveCpus: readCpuList(files, `${settings}/effective_affinity_list`),
    node: node === null || node < 0 ? null : node,
    counts,
    total,
  };
}

/** Both files begin with a line of CPU names; then a name, one count for each of them, and words. */
function parseCounts(text: string): { cpus: number[]; rows: Row[] } {
  const [header, ...lines] = text.split("\n");
  const cpus = [...header.matchAll(/\bCPU(\d+)/g)].map((match) => Number(match[1]));
  const rows = lines.flatMap((line) => {
    const colon = line.indexOf(":");
    if (colon < 0) return [];
    const words = line.slice(colon + 1).trim().split(/\s+/);
    const width = words.findIndex((word) => !/^\d+$/.test(word));
    const numbers = words.slice(0, Math.min(width < 0 ? words.length : width, cpus.length)).map(Number);
    const rest = line.slice(colon + 1).replace(new RegExp(`^(\\s*\\d+){${numbers.length}}\\s*`), "").trim();
    const counts = numbers.length === cpus.length ? numbers : [];
    return [{ name: line.slice(0, colon).trim(), rest, counts, total: sum(numbers) }];
  });
  return { cpus, rows };
}
