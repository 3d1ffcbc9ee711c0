/**
 * Kinds of things that a step changes, and what `what` then names:
 * - `file`: a kernel file, by its path; the value is its text without the final newline.
 * - `cgroup`: a cgroup, by its directory; `""` is there, `null` is not.
 * - `controller`: a controller of a cgroup v2 for its children, as `DIRECTORY:CONTROLLER`; `+` or `-`.
 * - `affinity`: CPUs of a thread, as `TID:START`, START in ticks (field 22 of its stat); a CPU list.
 * - `choice`: a kernel file that lists all choices with brackets around the one that counts, by its path; that word.
 * - `refuge`: a cgroup for threads of others, by its directory; `""` is there, `null` is not: threads that are still in
 *   it then go to the root.
 * - `member`: the cgroup of a thread, as `TID:START@MOUNT:CONTROLLER`, MOUNT that of the hierarchy; its path below that.
 *   On version 2 CONTROLLER is empty, and the process moves with its first thread.
 * - `unit`: CPUs of a unit of systemd (its property AllowedCPUs), as `UNIT@MOUNT`; a CPU list, `""` is all.
 * - `filter`: the devices that the programs of a cgroup may open, by its directory; rules such as `c 1:3 rw;c 136:* rw`,
 *   `""` is all.
 * - `workqueue`: CPUs of the kernel's workqueues that are bound to none, by the path of their `cpumask`; the hexadecimal
 *   mask that was asked for. Isolated partitions take their CPUs out of it by themselves, and give them back.
 * - `irqbalance`: CPUs that an irqbalance keeps free of interrupts, by the path of its socket; a CPU list.
 * - `class`: a class of cache and memory bandwidth, by its directory; `""` is there, `null` is not.
 * - `schemata`: what a class has of one resource in one domain, as `DIRECTORY:RESOURCE:DOMAIN`; a hexadecimal mask of a
 *   cache, a number for the memory bandwidth.
 * - `pool`: the huge pages of one size on a NUMA node, by the path of their `nr_hugepages`; a count.
 * - `mount`: a file system whose files are memory, by its directory; `tmpfs mpol=bind:0 noswap` (options may be absent) or
 *   `hugetlbfs pagesize=2M`.
 * - `object`: a file of memory, as `PATH@NODE@DIRECTORY,DIRECTORY`: the NUMA node that it comes from, -1 for any, and the
 *   cgroups that it is counted for; `BYTES UID:GID`.
 * - `room`: how much the files of a tmpfs may have together, by its directory; bytes, `""` is the kernel's own idea.
 * - `lent`: a device of memory that somebody may map, by the path of a symbolic link to it; `/dev/dax0.0 UID:GID`.
 * - `shares`: how much of each NUMA node's huge pages programs of a container may take, by the path of the file that they
 *   read it from; its text.
 * - `msr`: bits of a register of a CPU, as `DRIVER:CPU:0xREGISTER:0xMASK`, DRIVER being `msr` or `msr-safe`; hexadecimal.
 * - `power`: the power limit that firmware or a driver keeps, as `hsmp:SOCKET` or `nvml:UUID`; milliwatts.
 */
export type StepKind = (typeof stepKinds)[number];

/** Every {@link StepKind}. */
export const stepKinds = [
  "file",
  "cgroup",
  "controller",
  "affinity",
  "choice",
  "refuge",
  "member",
  "unit",
  "filter",
  "workqueue",
  "irqbalance",
  "class",
  "schemata",
  "pool",
  "mount",
  "object",
  "room",
  "lent",
  "shares",
  "msr",
  "power",
] as const;

/** What is made for a step and goes with it, and the command that removes one by hand. */
export const madeKinds: Readonly<Partial<Record<StepKind, string>>> = {
  cgroup: "rmdir",
  refuge: "rmdir",
  class: "rmdir",
  mount: "umount",
  object: "rm",
  lent: "rm",
  shares: "rm",
};

/** A wish of a planner: what shall have which value, and why. */
export interface Change {
  /** What sort of thing it is. */
  readonly kind: StepKind;
  /** Which one; see {@link StepKind}. */
  readonly what: string;
  /** The value it shall have. */
  readonly to: string;
  /** Whose wish it is and what for, in words for people. */
  readonly why: string;
  /** Several containers may want the same; the last one to leave puts it back. */
  readonly shared?: boolean;
  /**
   * What the kernel gives it when it is new, for a thing that comes with its cgroup: to go back to before the cgroup
   * goes. The kernel takes a cgroup apart at some later moment, and does not say when.
   */
  readonly initial?: string;
  /** The kernel may say no, as it does for managed interrupts and some of its threads: that one then stays as it was. */
  readonly ifAllowed?: true;
}

/** A change of the machine as data: what, from which value, to which, and why. */
export interface Step extends Change {
  /** The value before, to go back to; `null` when it did not exist. */
  readonly from: string | null;
  /** The kernel refused it, as it may; see {@link Change.ifAllowed}. */
  readonly refused?: true;
}

/** Whether two steps are about the same thing. */
export function isSame(a: Pick<Change, "kind" | "what">, b: Pick<Change, "kind" | "what">): boolean {
  return a.kind === b.kind && a.what === b.what;
}

/** One line for people: `path <- value   why`. */
export function formatStep(step: Change): string {
  const { left, right } = stepParts(step);
  return `${left} <- ${right}   ${step.why}`;
}

/** Steps one below the other, values and reasons aligned. */
export function formatSteps(steps: readonly Change[]): string {
  const parts = steps.map((step) => ({ ...stepParts(step), why: step.why }));
  const width = (key: "left" | "right") => Math.max(0, ...parts.map((part) => part[key].length));
  return parts.map(({ left, right, why }) => `${left.padEnd(width("left"))} <- ${right.padEnd(width("right"))}   ${why}`).join("\n");
}

function stepParts({ kind, what, to }: Change): { left: string; right: string } {
  if (kind === "cgroup" || kind === "refuge") return { left: `${what}/`, right: "(new cgroup)" };
  if (kind === "controller") {
    const at = what.lastIndexOf(":");
    return { left: `${what.slice(0, at)}/cgroup.subtree_control`, right: `${to}${what.slice(at + 1)}` };
  }
  if (kind === "affinity") return { left: `affinity of thread ${what.split(":")[0]}`, right: to };
  if (kind === "member") return { left: `cgroup of thread ${what.split(":")[0]}`, right: to };
  if (kind === "class") return { left: `${what}/`, right: "(new class)" };
  if (kind === "schemata") {
    const [directory, resource, domain] = what.split(":");
    return { left: `${directory}/schemata`, right: `${resource}:${domain}=${to}` };
  }
  if (kind === "mount") return { left: `${what}/`, right: to };
  if (kind === "object") return objectParts(what, to);
  if (kind === "room") return { left: `room of ${what}`, right: to === "" ? "(any)" : `${to} bytes` };
  if (kind === "lent") return { left: what, right: to.replace(" ", " for ") };
  if (kind === "shares") return { left: what, right: sharesText(to) };
  if (kind === "msr") {
    const [driver, cpu, register, mask] = what.split(":");
    return { left: `register ${register} of CPU ${cpu} (${driver}, bits ${mask})`, right: to };
  }
  if (kind === "power") return { left: `power limit of ${what}`, right: `${to} mW` };
  if (kind === "filter") return { left: `devices of ${what}`, right: to === "" ? "(all)" : to };
  return { left: what, right: to };
}

function objectParts(what: string, to: string): { left: string; right: string } {
  const [, path, node] = /^(.*)@(-?\d+)@[^@]*$/.exec(what) ?? ["", what, "-1"];
  const [bytes, owner] = to.split(" ");
  return { left: path, right: `${bytes} bytes${node === "-1" ? "" : ` of node ${node}`} for ${owner}` };
}

function sharesText(to: string): string {
  const texts = [...to.matchAll(/^pages (\d+) \S+ (.*)$/gm)].map(([, pageBytes, shares]) => {
    const parts = [...shares.matchAll(/(\d+) (\d+)/g)].map(([, node, bytes]) => `${bytes} bytes of node ${node}`);
    return `${parts.join(", ")} in pages of ${pageBytes}`;
  });
  return texts.join("; ") || "(all of one node)";
}
