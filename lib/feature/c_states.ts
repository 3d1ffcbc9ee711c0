import type { Change } from "../plan/step.ts";
import { type NodeFeature, type Scene, setting } from "./node_feature.ts";

/**
 * The container's CPUs do not sleep when they wait: they are back at once, and cost power.
 *
 * The file of each CPU says how many microseconds it may take to wake up. The kernel writes and reads it in words of its
 * own: `n/a` is none at all, 0 is any. On x86 a CPU then polls; that saves 1 to 200 us, by how deep it would have slept. Where the
 * kernel has no idle driver, as in many virtual machines, the file is there and changes nothing.
 *
 * Source: Documentation/ABI/testing/sysfs-devices-power, pm_qos_resume_latency_us; Documentation/admin-guide/pm/cpuidle.rst.
 * Cost: each of the CPUs uses the power of a busy one, also while the container is empty; less is left of the power and
 * heat budget that others could run faster with; a hardware thread that polls takes from the other one of its core.
 */
export const cStates: NodeFeature = {
  name: "cStates",
  doc: "Whether the container's CPUs may sleep when they wait; off wakes up at once and takes more power",
  words: ["off", "on"],
  reach: "cpus",
  plan(scene: Scene): Change[] {
    return scene.cpus.flatMap((cpu) =>
      setting(scene, `/sys/devices/system/cpu/cpu${cpu}/power/pm_qos_resume_latency_us`, "n/a", `CPU ${cpu} does not sleep when it waits`)
    );
  },
};
