import { formatCpuList } from "../kernel/cpulist.ts";
import { listNumbered, readText } from "../kernel/value.ts";
import type { Change } from "../plan/step.ts";
import type { NodeFeature, Scene } from "./node_feature.ts";

const root = "/sys/devices/system/cpu/cpufreq";
const governor = "performance";

/** CPUs that have one frequency, at least one of them the container's. */
interface Policy {
  readonly path: string;
  /** The container's, ascending. */
  readonly own: readonly number[];
  /** Those of others, ascending. */
  readonly others: readonly number[];
  /** What of the former governor would be lost, or `null`. */
  readonly obstacle: string | null;
}

/**
 * The container's CPUs run at the highest frequency that the hardware lets them have: the governor `performance`.
 *
 * CPUs that share a clock (a policy) change together, also those of others; the plan names them. A governor that was told
 * something which it forgets when another takes its place, and that we could not put back, stays: `userspace` with the
 * frequency somebody chose, and any that has settings for this policy alone. {@link NodeFeature.left} names them.
 *
 * Source: Documentation/admin-guide/pm/cpufreq.rst. Cost: power, also where a program waits for memory; on most
 * processors more of it for one CPU leaves less boost for the others.
 */
export const frequency: NodeFeature = {
  name: "frequency",
  doc: "Whether the container's CPUs always run at their highest frequency",
  words: ["performance", "keep"],
  reach: "cpus",
  plan(scene: Scene): Change[] {
    return policiesOf(scene).filter(({ obstacle }) => obstacle === null).map(({ path, own, others }) => {
      const shared = others.length > 0 ? `, and with them CPUs ${formatCpuList(others)}, which share their clock` : "";
      return { kind: "file", what: `${path}/scaling_governor`, to: governor, why: `CPUs ${formatCpuList(own)} at full frequency${shared}` };
    });
  },
  left(scene: Scene): string[] {
    return policiesOf(scene).flatMap(({ own, obstacle }) =>
      obstacle === null ? [] : [`frequency of CPUs ${formatCpuList(own)}: ${obstacle}`]
    );
  },
};

function policiesOf(scene: Scene): Policy[] {
  const { files } = scene.inventory;
  return listNumbered(files, root, "policy").flatMap((number) => {
    const path = `${root}/policy${number}`;
    const words = (name: string) => (readText(files, `${path}/${name}`) ?? "").split(/\s+/).filter(Boolean);
    const cpus = words("affected_cpus").map(Number);
    const own = cpus.filter((cpu) => scene.cpus.includes(cpu));
    if (own.length === 0 || !words("scaling_available_governors").includes(governor)) return [];
    return [{ path, own, others: cpus.filter((cpu) => !scene.cpus.includes(cpu)), obstacle: obstacleOf(scene, path) }];
  });
}

function obstacleOf(scene: Scene, path: string): string | null {
  const before = scene.original({ kind: "file", what: `${path}/scaling_governor` });
  if (before === "userspace") return "somebody chose it by hand (governor userspace), and the kernel would forget it";
  if (before === null || !scene.inventory.files.exists(`${path}/${before}`)) return null;
  return `governor ${before} has settings for them alone, and the kernel would forget these`;
}
