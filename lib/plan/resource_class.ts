import { SysError } from "../../ffi/errors.ts";
import { readSchemata, resctrlMount } from "../kernel/resctrl.ts";
import type { Driver } from "./kernel.ts";

/** A class of cache and memory bandwidth, by its directory. */
export const classDriver: Driver = {
  read: (kernel, path) => kernel.exists(path) ? "" : null,
  write(kernel, path, value) {
    // What is in it goes with it, and its CPUs go to the root.
    if (value === null) kernel.removeDirectory(path);
    else kernel.makeDirectory(path);
  },
};

/** One value of a class, as `DIRECTORY:RESOURCE:DOMAIN`. */
export const schemataDriver: Driver = {
  read(kernel, what) {
    const { directory, resource, domain } = splitSchemata(what);
    return readSchemata(kernel, directory)?.get(resource)?.get(domain) ?? null;
  },
  write(kernel, what, value) {
    if (value === null) return;
    const { directory, resource, domain } = splitSchemata(what);
    try {
      kernel.write(`${directory}/schemata`, `${resource}:${domain}=${value}\n`);
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      // All refusals have one number; this has the reason.
      const reason = kernel.tryRead(`${resctrlMount}/info/last_cmd_status`)?.trim();
      throw new SysError(error.action, error.errno, {
        cause: error,
        hint: reason ? `the kernel says ${JSON.stringify(reason)}` : undefined,
      });
    }
  },
};

/** The parts of what a `schemata` step names. */
export function splitSchemata(what: string): { directory: string; resource: string; domain: number } {
  const [directory, resource, domain] = what.split(":");
  return { directory, resource, domain: Number(domain) };
}
