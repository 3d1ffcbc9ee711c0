import type { Meter } from "../meter.ts";
import type { Registry } from "../registry.ts";

/** What belongs to a package, by the numbers of the machine. */
export interface PackagePlace {
  /** The package. */
  readonly package: number;
  /** Its CPUs. */
  readonly cpus: ReadonlySet<number>;
  /** Its cores. */
  readonly cores: readonly number[];
}

/** Meters of the energy, or the power, of packages and of their dies. */
export const consumption = /^package(\d+)\/(?:die\d+-)?(energy|power)$/;

/**
 * Finds the packages that can be measured, and what belongs to each.
 *
 * A simulated machine shows more CPUs than the kernel has; there they are numbered package by package, and each is a core.
 */
export function packagePlaces({ meters, topology }: Pick<Registry, "meters" | "topology">): PackagePlace[] {
  const ids = [...new Set(meters.flatMap(({ name }) => consumption.exec(name)?.[1] ?? []).map(Number))].sort((a, b) => a - b);
  const cpus = [...new Set(meters.filter(isOfCpu).map(({ domain }) => domain.index))].sort((a, b) => a - b);
  const known = new Map(topology?.cpus.map((cpu) => [cpu.id, cpu.package]));
  if (topology !== null && cpus.every((cpu) => known.has(cpu)) && ids.every((id) => topology.packages.some((one) => one.id === id))) {
    return ids.map((id) => ({
      package: id,
      cpus: new Set(cpus.filter((cpu) => known.get(cpu) === id)),
      cores: [...topology.cores.entries()].filter(([, core]) => known.get(core.cpus[0]) === id).map(([index]) => index),
    }));
  }
  const each = Math.ceil(cpus.length / Math.max(1, ids.length));
  return ids.map((id, index) => {
    const own = cpus.slice(index * each, (index + 1) * each);
    return { package: id, cpus: new Set(own), cores: own };
  });
}

function isOfCpu({ domain }: Meter): boolean {
  return domain.kind === "cpu";
}
