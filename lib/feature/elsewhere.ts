import { parseCpuList } from "../kernel/cpulist.ts";
import { formatCpuMask, parseCpuMask } from "../kernel/cpumask.ts";
import type { Scene } from "./node_feature.ts";

/**
 * Where something may go on that was allowed on `allowed`: what is left of that without the containers, or every other
 * CPU when nothing is left that runs.
 *
 * @returns CPUs, ascending; `null` when it was on none of the containers' CPUs anyway.
 */
export function elsewhere(scene: Scene, allowed: readonly number[], others: readonly number[] = scene.otherCpus): readonly number[] | null {
  if (!allowed.some((cpu) => scene.cpus.includes(cpu))) return null;
  const rest = allowed.filter((cpu) => !scene.cpus.includes(cpu));
  return rest.some((cpu) => others.includes(cpu)) ? rest : others;
}

/** The same of a mask as the kernel prints it. */
export function elsewhereMask(scene: Scene, mask: string): string | null {
  const cpus = elsewhere(scene, parseCpuMask(mask));
  return cpus && formatCpuMask(cpus, mask);
}

/** CPUs of a list that the containers have, ascending. */
export function within(scene: Scene, allowed: readonly number[] | string): number[] {
  const cpus = typeof allowed === "string" ? parseCpuList(allowed) : allowed;
  return cpus.filter((cpu) => scene.cpus.includes(cpu));
}
