import { RefusedError } from "../errors.ts";
import { hierarchyOf } from "../kernel/cgroup.ts";
import { formatCpuList, parseCpuList } from "../kernel/cpulist.ts";
import { isKernelBefore } from "../kernel/release.ts";
import type { Change } from "../plan/step.ts";
import type { NodeFeature, Scene } from "./node_feature.ts";

const directory = "/sys/devices/system/cpu";

/** A hardware thread to switch off, and the container's CPU whose core it shares. */
interface Sibling {
  readonly cpu: number;
  readonly of: number;
}

/**
 * A container's cores are its own: hardware threads beside its CPUs that nobody has are switched off. One that another
 * container or the ServiceOS has is not taken from them; the wish is refused.
 *
 * It is planned last and so undone first, since to switch a CPU off changes what others set before: interrupts that went
 * to it move within their masks, and unbound workers, on Linux 6.1 also kcompactd, get new CPUs when it comes back.
 * While it is off no thread can have it in its affinity, so nothing else may be planned onto it; see {@link idleSiblings}.
 *
 * The kernel forgets who the sibling of an offline CPU is. So the list of each of our CPUs is a step as well: nothing is
 * written to it, it shows that the core is our own, and the ledger remembers by it which CPU to switch on again.
 *
 * Source: Documentation/core-api/cpu_hotplug.rst; Documentation/admin-guide/cputopology.rst. Cost: the node has fewer CPUs;
 * all CPUs stop for some 10 ms when one is switched, off as well as on.
 */
export const smtSiblings: NodeFeature = {
  name: "smtSiblings",
  doc: "Whether free hardware threads that share a core with the container are switched off",
  words: ["idle", "shared"],
  reach: "cpus",
  plan(scene: Scene): Change[] {
    const siblings = siblingsOf(scene);
    if (siblings.length === 0) return [];
    requireFree(scene, siblings);
    requireSwitches(scene, siblings);
    const own = [...new Set(siblings.map(({ of }) => of))];
    return [
      ...numbersOf(siblings).map((cpu): Change => {
        const of = siblings.filter((sibling) => sibling.cpu === cpu).map((sibling) => sibling.of);
        return {
          kind: "file",
          what: `${directory}/cpu${cpu}/online`,
          to: "0",
          why: `nothing else runs on the core of CPU ${formatCpuList(of)}`,
        };
      }),
      ...own.map((cpu): Change => {
        const to = formatCpuList(threadsOf(scene, cpu).filter((thread) => scene.cpus.includes(thread)));
        return { kind: "file", what: listOf(cpu), to, why: `the core of CPU ${cpu} is the container's own` };
      }),
    ];
  },
  left(scene: Scene): string[] {
    if (!isKernelBefore(scene.inventory.files, 6, 2)) return [];
    return numbersOf(siblingsOf(scene)).map((cpu) =>
      `threads that had chosen CPU ${cpu}: before Linux 6.2 the kernel forgets their choice when it is switched off, and they run on all CPUs of their cgroup`
    );
  },
};

/** CPUs that the feature switches off, ascending: nothing may be planned to run on them. Reads no more than their cores. */
export function idleSiblings(scene: Pick<Scene, "cpus" | "original">): number[] {
  return numbersOf(siblingsOf(scene));
}

function siblingsOf(scene: Pick<Scene, "cpus" | "original">): Sibling[] {
  return scene.cpus.flatMap((of) => threadsOf(scene, of).filter((cpu) => !scene.cpus.includes(cpu)).map((cpu) => ({ cpu, of })));
}

/** Hardware threads of a CPU's core, itself among them, as before we switched any off. */
function threadsOf({ original }: Pick<Scene, "original">, cpu: number): number[] {
  return parseCpuList(original({ kind: "file", what: listOf(cpu) }) ?? `${cpu}`);
}

function listOf(cpu: number): string {
  return `${directory}/cpu${cpu}/topology/thread_siblings_list`;
}

function numbersOf(siblings: readonly Sibling[]): number[] {
  return [...new Set(siblings.map(({ cpu }) => cpu))].sort((a, b) => a - b);
}

function requireFree({ taken, otherCpus }: Scene, siblings: readonly Sibling[]): void {
  const shared = siblings.filter(({ cpu }) => taken.includes(cpu));
  if (shared.length > 0) {
    const cpus = formatCpuList(numbersOf(shared));
    const pairs = shared.map(({ cpu, of }) => `CPU ${cpu} shares a core with CPU ${of}`).join(", ");
    throw new RefusedError(`Cannot idle the siblings of the container's CPUs: ${pairs}, and another container or the ServiceOS has it`, {
      remedy: `Give whole cores to each of them: CPUs ${cpus} to the same container, or to none; or write smtSiblings: shared`,
    });
  }
  const idle = numbersOf(siblings);
  if (otherCpus.some((cpu) => !idle.includes(cpu))) return;
  throw new RefusedError(`Cannot idle CPUs ${formatCpuList(idle)}: no CPU would be left for the ServiceOS`, {
    remedy: "Give the container fewer cores, or write smtSiblings: shared",
  });
}

function requireSwitches({ inventory: { cgroups, files } }: Scene, siblings: readonly Sibling[]): void {
  if (hierarchyOf(cgroups, "cpuset")?.version === 1) {
    throw new RefusedError(
      `Cannot idle CPUs ${formatCpuList(numbersOf(siblings))}: cpusets of cgroup v1 lose a CPU for good when it is switched off`,
      { remedy: "Boot with cgroup v2, or with nosmt; or write smtSiblings: shared" },
    );
  }
  const fixed = siblings.find(({ cpu }) => !files.exists(`${directory}/cpu${cpu}/online`));
  if (fixed === undefined) return;
  throw new RefusedError(
    `Cannot idle CPU ${fixed.cpu}: this kernel cannot switch it off (${directory}/cpu${fixed.cpu}/online is missing)`,
    {
      remedy: `Leave CPU ${fixed.of} and the rest of that core to the ServiceOS, or write smtSiblings: shared`,
    },
  );
}
