import type { Inventory } from "../kernel/inventory.ts";
import type { Change } from "../plan/step.ts";

/** What a feature of the whole node may know when it is planned. */
export interface Scene {
  /** The machine as it is now, with what nodeos changed on it already. */
  readonly inventory: Inventory;
  /** CPUs of all containers that wish the feature, ascending, at least one. */
  readonly cpus: readonly number[];
  /** Every other CPU that runs, ascending, at least one: where things may go. */
  readonly otherCpus: readonly number[];
  /** CPUs that a container or the ServiceOS has, ascending. */
  readonly taken: readonly number[];
  /** CPUs of containers without load balancing, ascending: on version 2, of isolated partitions. */
  readonly isolatedCpus: readonly number[];
  /** NUMA nodes that no container owns as a whole, ascending: where everybody else's memory may be. */
  readonly sharedNodes: readonly number[];
  /** CPUs of the ServiceOS, ascending; `null` when no specification gave it any. */
  readonly serviceCpus: readonly number[] | null;
  /** Programs that are never moved: by name, with `*` for any characters, or by process id. */
  readonly protect: readonly string[];
  /** The value that a thing had before nodeos changed it; its value now, when nodeos did not; `null`: it does not exist. */
  original(thing: Pick<Change, "kind" | "what">): string | null;
}

/**
 * A feature that reaches beyond a container's own cgroup: where something of the kernel runs, or a setting that the whole
 * node has. A container wishes it or not; it is planned once for all that do. The last one that leaves puts it back.
 */
export interface NodeFeature {
  /** Its key in a specification. */
  readonly name: string;
  /** One sentence for `--help` and the documentation. */
  readonly doc: string;
  /** What a specification writes for it: enabled, then disabled, which is the default. */
  readonly words: readonly [enabled: string, disabled: string];
  /**
   * Whether it changes the whole node, or only what is to run on the container's CPUs: neighbours on a shared node
   * notice the former.
   */
  readonly reach: "node" | "cpus";
  /** What has to change, in order. `[]` when this machine has nothing of the kind. */
  plan(scene: Scene): Change[];
  /** What of it stays on the CPUs whatever is done: one line each, by name and with the reason. */
  left?(scene: Scene): string[];
}

/** A change of a setting that is there, or none on a machine without it. */
export function setting(scene: Scene, what: string, to: string, why: string, kind: "file" | "choice" = "file"): Change[] {
  return scene.inventory.files.exists(what) ? [{ kind, what, to, why }] : [];
}
