import { launch, wait } from "../../ffi/launch.ts";
import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { RefusedError } from "../errors.ts";

/** systemd answers before it has written; it does so within some milliseconds. */
const settledMsMax = 2000;

/**
 * Sets the property AllowedCPUs of a unit of systemd until the next boot; systemd writes it to the unit's cgroup.
 *
 * The empty property is what the unit had before anybody set it, and systemd may then switch the cpuset controller off. The
 * kernel (seen on 7.2) leaves programs on their old CPUs in that moment, so the unit gets all CPUs first. systemd keeps a
 * file for it in /run/systemd/system.control, with the empty property: `systemctl revert UNIT` removes that too.
 *
 * @param directory The unit's cgroup.
 * @param cpus A CPU list; `""` lifts the restriction.
 * @throws {RefusedError} If systemctl is not there, or refuses.
 */
export function setAllowedCpus(kernel: KernelFiles, unit: string, directory: string, cpus: string): void {
  const file = `${directory}/cpuset.cpus`;
  const online = kernel.read("/sys/devices/system/cpu/online").trim();
  for (const value of cpus === "" ? [online, ""] : [cpus]) {
    const argv = ["systemctl", "set-property", "--runtime", unit, `AllowedCPUs=${value}`];
    const { code } = wait(launch({ argv }));
    if (code !== 0) throw new RefusedError(`${argv.join(" ")} ended with ${code}`);
    const from = performance.now();
    while ((kernel.tryRead(file)?.trim() ?? "") !== value && performance.now() - from < settledMsMax) pause(10);
  }
}

function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
