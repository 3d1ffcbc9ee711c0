import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { readDeviceFilter, setDeviceFilter } from "../../ffi/device_filter.ts";
import type { Driver, Kernel } from "./kernel.ts";

/** What the `devices` controller of version 1 lists for a cgroup that may open all. */
const all = "a *:* rwm";

/**
 * The devices that the programs of a cgroup may open, by its directory; rules such as `c 1:3 rwm;c 136:* rw`, `""` is
 * all. On version 1 the `devices` controller has files for it, on version 2 a filter of the kernel's own machine does it.
 */
export const filterDriver: Driver = {
  read(kernel, directory) {
    const list = readList(kernel, directory);
    if (list !== null) return formatRules(list);
    return kernel.exists(directory) ? readDeviceFilter(directory) : null;
  },
  write(kernel, directory, value) {
    // The filter of a new cgroup goes with it.
    if (value === null) return;
    const list = readList(kernel, directory);
    if (list === null) setDeviceFilter(directory, value);
    else writeList(kernel, directory, list, value === "" ? [] : value.split(";"));
  },
};

/** Rules as one text, in the order of their letters: each allows, so that the kernel's order means nothing. */
export function formatRules(rules: Iterable<string>): string {
  return [...new Set(rules)].sort().join(";");
}

/** Rules of a cgroup of version 1, none where all is allowed; `null` on version 2. */
function readList(kernel: KernelFiles, directory: string): string[] | null {
  const list = kernel.tryRead(`${directory}/devices.list`);
  return list === null ? null : list.split("\n").map((line) => line.trim()).filter((line) => line !== "" && line !== all);
}

/**
 * On the way from one list of rules to another, nothing is forbidden that both allow. From all to a list there is no such
 * way: for the time of a few writes nothing may be opened.
 */
function writeList(kernel: Kernel, directory: string, before: readonly string[], after: readonly string[]): void {
  const change = (file: "allow" | "deny", rule: string) => kernel.write(`${directory}/devices.${file}`, rule);
  if (after.length === 0) return change("allow", "a");
  if (before.length === 0) change("deny", "a");
  for (const rule of after) if (!before.includes(rule)) change("allow", rule);
  for (const rule of before) if (!after.includes(rule)) change("deny", rule);
}
